/** The credentials are not accepted. The reason is for the log only: all callers get the same answer. */
export class InvalidCredentials extends Error {}
