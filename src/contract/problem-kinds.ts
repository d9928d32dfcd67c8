/** Every way to fail: the stable code, its status, its title, and what `/problems/<code>` says of it. */
export const kinds = {
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
    'A request must have arrived wholly within a few seconds of its beginning. Check the connection, then try again.',
  ],
  'housing-type-in-use': [
    409,
    'The housing type is in use',
    'Houses have this type, so it cannot be deleted. Give them another type, or delete them, first.',
  ],
  'idempotency-key-in-use': [
    409,
    'A request with this key is still under way',
    'Another request with the same `Idempotency-Key` has not been answered yet. Send this one again after the seconds that `Retry-After` names: it gets the answer of the other, and nothing is done twice.',
  ],
  'version-conflict': [
    409,
    'It has changed meanwhile',
    'The house is not, or no longer, in the version that the operation names; `current_version` is the one that it is in. `index` is the place of the operation in the batch, of which nothing was done.',
  ],
  'not-restorable': [
    409,
    'This version cannot be restored',
    'The version is a deletion, or its housing type does not exist any more. `detail` says which. Nothing was changed.',
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
  'unknown-housing-type': [
    422,
    'Unknown housing type',
    'No housing type has this code. `GET /api/v2/housing-types` lists them; `PUT /api/v2/housing-types/{code}` adds one.',
  ],
  'precondition-required': [
    428,
    'A precondition is required',
    'A change of a house must say which version it is about, so that nobody overwrites what somebody else has just written. Send the `ETag` that came with the house as `If-Match`; `If-Match: *` overwrites whatever is there.',
  ],
  'headers-too-large': [431, 'The headers are too large', 'Request line and headers may have 16,384 bytes together.'],
  'internal-error': [
    500,
    'Something went wrong on our side',
    'The error has been logged under the `request_id`. Try again, and tell the operator if it stays.',
  ],
  unavailable: [
    503,
    'The service is not available at the moment',
    'The database cannot be reached, or is being made ready. Nothing was changed. Try again after the seconds that `Retry-After` names.',
  ],
  'outcome-unknown': [
    503,
    'It is unknown whether the write took effect',
    'The connection to the database was lost after the write was sent and before it was confirmed. If it had an `Idempotency-Key`, repeat it as it was: nothing is done twice. If not, look whether it took effect before you repeat it.',
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
} as const satisfies Record<string, readonly [status: number, title: string, explanation: string]>

export type Code = keyof typeof kinds
