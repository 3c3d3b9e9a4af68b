/** Names of tables and columns become part of a statement, where no placeholder can stand. */
export const sqlName = /^[A-Za-z0-9_]{1,64}$/;
