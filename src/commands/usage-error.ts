/** A command was called with something that cannot be right. The message says what would be. */
export class UsageError extends Error {}
