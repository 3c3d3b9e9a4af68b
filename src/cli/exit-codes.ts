/** What the program says to the shell, after sysexits(3) where that has a word for it. */
export const exitCodes = {
  success: 0,
  /** The node refused, or something failed that is no case of the others. */
  failure: 1,
  /** The command line itself. */
  usage: 2,
  /** EX_UNAVAILABLE: an address, a database or the node's control socket cannot be used. */
  unavailable: 69,
  /** EX_CONFIG: the script is wrong. */
  configuration: 78,
} as const;
