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
    'The request is not valid HTTP, or a header or the query is malformed. `detail` says what is wrong.',
  ],
  'malformed-body': [
    400,
    'The body cannot be read',
    'The body is not JSON in UTF-8, repeats a member, is nested too deeply, or has an object with more than 50 members. Nothing was stored.',
  ],
  'invalid-parameter': [
    400,
    'A parameter is invalid',
    'A query parameter is unknown, repeated, empty or has an invalid value. `errors` lists each one, and what it must be.',
  ],
  unauthenticated: [
    401,
    'Credentials are needed',
    'The request needs an API key or a token, as `Authorization: Bearer …`. The operator of the service hands them out.',
  ],
  'invalid-token': [
    401,
    'The API key or token is not valid',
    'The API key or token is unknown, incomplete, expired or revoked, or a token is not meant for this service. The log of the service says which.',
  ],
  forbidden: [403, 'Not allowed', 'The caller may not do this. Nothing was changed. `detail` says what is missing.'],
  'insufficient-scope': [
    403,
    'The scope is missing',
    'The API key or token is valid, but lacks the scope that this request needs. `detail` names it. `housing:write` includes `housing:read`, and `housing:admin` includes both. Nothing was changed.',
  ],
  'cross-site-request': [
    403,
    'A page of another site sent this',
    'The request would change something, and its browser says that it comes from a page of another site (`Sec-Fetch-Site`, or else `Origin`). Nothing was changed. To let the pages of an origin make changes, name it in the setting `ORIGINS`.',
  ],
  'not-found': [404, 'Not found', 'Nothing exists at this path or with this id. It may have been deleted.'],
  'method-not-allowed': [
    405,
    'Method not allowed',
    'The path does not support this method. The header `Allow` lists the methods that it supports.',
  ],
  'not-acceptable': [
    406,
    'Not acceptable',
    'The header `Accept` excludes every media type that this path can send. Omit the header, or include the type that `detail` names.',
  ],
  'request-timeout': [
    408,
    'The request took too long to arrive',
    'The whole request must arrive within 9 seconds. Check the connection, then try again.',
  ],
  'idempotency-key-in-use': [
    409,
    'A request with this key is still in progress',
    'Another request with the same `Idempotency-Key` has not been answered yet. Repeat this request after `Retry-After` seconds: it then gets the answer to the first one, and nothing is done twice.',
  ],
  conflict: [
    409,
    'The database rejects a conflict',
    'A constraint of this database, besides those of this API, forbids the combination with other data. `detail` names it. Nothing was changed.',
  ],
  'precondition-failed': [
    412,
    'The precondition does not hold',
    '`If-Match` does not name the current version, or the resource exists and `If-None-Match` excludes that. Nothing was changed. Read the resource again, then repeat the change with the ETag of the version you read.',
  ],
  'body-too-large': [413, 'The body is too large', 'Nothing was stored. `detail` says how large a body may be.'],
  'url-too-long': [414, 'The URL is too long', 'Path and query together may have at most 8,192 bytes.'],
  'unsupported-media-type': [
    415,
    'Unsupported media type',
    'The media type of the body is missing, or this path does not accept it. The header `Accept-Post` or `Accept-Patch` lists those that it accepts.',
  ],
  'misdirected-request': [
    421,
    'The service does not have this name',
    'The request is for a host whose name the service does not answer to, which protects it from pages that make a name of their own lead to it. Nothing was changed. Use another name, or add this one to the setting `HOSTS`.',
  ],
  'invalid-body': [
    422,
    'The body is invalid',
    'The body is JSON, but not what this path expects. `errors` lists every fault: a JSON Pointer to it, and what is expected there. Nothing was stored.',
  ],
  'idempotency-key-reused': [
    422,
    'The key belongs to another request',
    'This `Idempotency-Key` came with another request within the last 24 hours: another method, path, query, body or `If-Match`. Use a new key, such as a UUID, for each new request; reuse a key only to repeat the same request.',
  ],
  'invalid-path': [422, 'The path is invalid', 'Nothing can be created at this path. `errors` says what is expected.'],
  rejected: [
    422,
    'The database rejects a value',
    'A constraint or a trigger of this database, besides those of this API, forbids a value. `detail` names it. Nothing was changed.',
  ],
  'precondition-required': [
    428,
    'A precondition is required',
    'A change must name the version it is based on; otherwise it could overwrite a concurrent change. Send the `ETag` that came with the resource as `If-Match`; `If-Match: *` overwrites any version.',
  ],
  'too-many-requests': [
    429,
    'Too many requests',
    'The caller has sent more requests, or more failed credentials, than its limit allows, or has an import in progress. Nothing was changed. Try again after the seconds that `Retry-After` names; `RateLimit-Policy` names the limit, and `RateLimit` what is left of it.',
  ],
  'headers-too-large': [
    431,
    'The headers are too large',
    'Request line and headers together may have at most 16,384 bytes.',
  ],
  'internal-error': [
    500,
    'Something went wrong on our side',
    'The error has been logged under the `request_id`. Try again; if it happens again, report the `request_id` to the operator.',
  ],
  unavailable: [
    503,
    'The service is not available at the moment',
    'The service has more requests, imports or exports than it does at a time; the database cannot be reached, is busy, or is not ready; or the issuer of a token cannot be asked for its keys. Nothing was changed. Try again after the seconds that `Retry-After` names.',
  ],
  'outcome-unknown': [
    503,
    'The outcome of the write is unknown',
    'The connection to the database was lost after the write was sent and before it was confirmed. If the request had an `Idempotency-Key`, repeat it unchanged; nothing is done twice. Otherwise check whether it took effect before you repeat it.',
  ],
  'storage-full': [
    503,
    'The database has no room left',
    'The disk of the database is full, or all ids are used: reading works, writing does not. Nothing was changed. The operator must make room; try again later.',
  ],
  'storage-damaged': [
    503,
    'The storage of the database is damaged',
    'The database cannot read or write a part of its storage. Nothing was changed. The operator must repair it; other data may be readable.',
  ],
  'schema-mismatch': [
    503,
    'The schema of the database is not as expected',
    'A table, a column or a permission that this release needs is missing. Nothing was changed. The operator must correct the schema; try again later.',
  ],
  timeout: [
    504,
    'The database took too long',
    'The database did not answer in time. Nothing was changed. Try again later, or ask for less at once.',
  ],
})

export type Code = keyof typeof kinds
