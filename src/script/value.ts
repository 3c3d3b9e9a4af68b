/**
 * What a script variable holds. A number is OpenSIPS's "integer that also has a string form"; null is `NULL`.
 * OpenSIPS prints null in strings as `<null>`.
 */
export type Value = string | number | null;
