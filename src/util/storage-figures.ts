/** What is counted of rows that are written behind, since the start; shown as the `db_` statistics of a module. */
export interface StorageFigures {
  /** Rows whose change is not in the database yet. */
  readonly waiting: number;
  readonly written: number;
  readonly removed: number;
  /** Attempts that failed. */
  readonly failures: number;
  /** Rows that the database does not take, or that do not fit into its columns. */
  readonly refused: number;
  /** Changes that were not noted because too many waited; they are caught up from memory. */
  readonly overflowed: number;
}
