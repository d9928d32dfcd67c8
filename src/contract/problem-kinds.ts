/** A way to fail: its stable code and status, its title, and what `/problems/<code>` says about it. */
export interface Kind {
  code: string
  status: number
  title: string
  explanation: string
}

/** Kinds by their codes: `kindsOf({ 'not-found': [404, 'Not found', '…'] })`. */
export const kindsOf = <Code extends string>(
  table: Record<Code, [status: number, title: string, explanation: string]>,
) =>
  Object.fromEntries(
    Object.entries<[number, string, string]>(table).map(([code, [status, title, explanation]]) => [
      code,
      { code, status, title, explanation },
    ]),
  ) as Record<Code, Kind>

/** The kinds that any resource can have; a resource declares its own in its problems.ts. */
export const kinds = kindsOf({
  'malformed-request': [
    400,
    'The request cannot be read',
    'The request breaks the rules of HTTP, or a header has a form that its standard does not allow. `detail` says where.',
  ],
  'malformed-body': [
    400,
    'The body cannot be read',
    'The body is not JSON in UTF-8, names a member twice, nests too deep, or has an object of more than 50 members. Nothing was stored.',
  ],
  'invalid-parameter': [
    400,
    'A parameter is wrong',
    'A query parameter is unknown, repeated, empty or has a wrong value. `errors` lists all of them, each with what would be right.',
  ],
  unauthenticated: [
    401,
    'Credentials are needed',
    'The request has no valid credentials. The header `WWW-Authenticate` names the kind that this path accepts.',
  ],
  forbidden: [403, 'Not allowed', 'The caller may not do this. Nothing was changed. `detail` says what is missing.'],
  'not-found': [404, 'Not found', 'Nothing has this path or this id; it may have been deleted.'],
  'method-not-allowed': [
    405,
    'Method not allowed',
    'The path exists, but not for this method. The header `Allow` lists the methods that it takes.',
  ],
  'not-acceptable': [
    406,
    'Not acceptable',
    'The header `Accept` rules out every media type that this path can answer with. Leave it out, or accept what `detail` names.',
  ],
  'request-timeout': [
    408,
    'The request took too long to arrive',
    'The whole request must arrive within a few seconds of its beginning. Check the connection, then try again.',
  ],
  'idempotency-key-in-use': [
    409,
    'A request with this key is still in progress',
    'Another request with the same `Idempotency-Key` has not been answered yet. Send this one again after the seconds that `Retry-After` names: it gets the answer of the other, and nothing is done twice.',
  ],
  'precondition-failed': [
    412,
    'The precondition does not hold',
    'The resource is not, or no longer, in the version that `If-Match` names, or it is there and `If-None-Match` rules that out. Nothing was changed. The header `ETag` names the current version: read it, decide again, and repeat the change with that ETag.',
  ],
  'body-too-large': [413, 'The body is too large', 'Nothing was stored. `detail` says how large a body may be.'],
  'url-too-long': [414, 'The URL is too long', 'Path and query may have 8,192 bytes together.'],
  'unsupported-media-type': [
    415,
    'Unsupported media type',
    'The body has a media type that this path does not read, or none is given. The header `Accept-Post` or `Accept-Patch` lists those that it reads.',
  ],
  'invalid-body': [
    422,
    'The body is wrong',
    'The body is JSON, but not what this path expects. `errors` lists all that is wrong: a JSON Pointer to each place, and what would be right there. Nothing was stored.',
  ],
  'idempotency-key-reused': [
    422,
    'The key belongs to another request',
    'This `Idempotency-Key` came with another request within the last 24 hours: another method, path, query, body or `If-Match`. Use a new key, such as a UUID, for each thing to do, and the same one only to repeat it.',
  ],
  'invalid-path': [422, 'The path is wrong', 'Nothing can be created at this path. `errors` says what would be right.'],
  'precondition-required': [
    428,
    'A precondition is required',
    'A change must say which version it is meant for, so that nobody overwrites what somebody else has just written. Send the `ETag` that came with the resource as `If-Match`; `If-Match: *` overwrites whatever is there.',
  ],
  'too-many-requests': [
    429,
    'Too many requests',
    'The caller has sent more requests than it may for now. Nothing was changed. Try again after the seconds that `Retry-After` names.',
  ],
  'headers-too-large': [431, 'The headers are too large', 'Request line and headers may have 16,384 bytes together.'],
  'internal-error': [
    500,
    'Something went wrong on our side',
    'The error has been logged under the `request_id`. Try again; if it happens again, report the `request_id` to the operator.',
  ],
  unavailable: [
    503,
    'The service is not available at the moment',
    'The database cannot be reached, or is being made ready. Nothing was changed. Try again after the seconds that `Retry-After` names.',
  ],
  'outcome-unknown': [
    503,
    'It is unknown whether the write took effect',
    'The connection to the database was lost after the write was sent and before it was confirmed. If it had an `Idempotency-Key`, repeat it as it was: nothing is done twice. If not, check whether it took effect before you repeat it.',
  ],
  'storage-full': [
    503,
    'The database has no room left',
    'The disk of the database is full: reading works, writing does not. Nothing was changed. Try again later; the operator has to make room.',
  ],
  timeout: [
    504,
    'The database took too long',
    'The database did not answer in time. Nothing was changed, unless `detail` says otherwise. Try again later, or ask for less.',
  ],
})

export type Code = keyof typeof kinds
