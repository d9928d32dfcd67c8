import { generateKeyPairSync } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { InvalidCredentials } from '../src/access/credentials.ts'
import { scopesOf, Tokens } from '../src/access/tokens.ts'
import { Problem } from '../src/contract/problems.ts'
import { answering, audience, hanging, startIssuer } from './support/issuer.ts'

const issuer = await startIssuer()
const lines: string[] = []
const log = { info: (line: string) => lines.push(`info ${line}`), warn: (line: string) => lines.push(`warn ${line}`) }
const newTokens = () => new Tokens({ issuer: issuer.url, audience, log })
let tokens = newTokens()

/** What becomes of a token: the caller's name, `401` with the reason for the log, or `503`. */
async function outcome(token: string): Promise<string> {
  try {
    return (await tokens.callerOf(token)).name
  } catch (error) {
    if (error instanceof InvalidCredentials) return `401 ${error.message}`
    const { kind, extra } = error as Problem
    expect(error).toBeInstanceOf(Problem)
    expect([kind.code, extra.headers]).toEqual(['unavailable', { 'retry-after': '1' }])
    return String(kind.status)
  }
}

const now = () => Math.floor(Date.now() / 1000)
const pass = (seconds: number) => vi.advanceTimersByTime(seconds * 1000)

beforeEach(() => {
  // Only the clocks: timers and the network go on.
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() })
  issuer.repent()
  issuer.requests.length = 0
  lines.length = 0
  tokens = newTokens()
})
afterEach(() => {
  vi.useRealTimers()
})
afterAll(() => issuer.close())

describe('a valid token', () => {
  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('is accepted with %s', async (alg) => {
    expect(await outcome(issuer.sign({}, { alg }))).toBe('sub:alice')
  })

  test.each([
    ['for several audiences', { aud: ['other', audience] }, {}],
    ['without a type', {}, { typ: undefined }],
    ['of the type JWT', {}, { typ: 'JWT' }],
    ['without a kid, where one key fits,', {}, { kid: undefined }],
    ['of the type application/at+jwt', {}, { typ: 'application/at+jwt' }],
    ['that expired less than 30 s ago', { exp: now() - 20 }, {}],
    ['that becomes valid in less than 30 s', { nbf: now() + 20 }, {}],
    ['that is valid for 24 hours', { exp: now() + 24 * 3600 }, {}],
    ['that Keycloak marks as one', { typ: 'Bearer' }, {}],
  ])('%s is accepted', async (_what, claims, header) => {
    expect(await outcome(issuer.sign(claims, { header }))).toBe('sub:alice')
  })

  test('names its caller, and what that may do', async () => {
    const caller = await tokens.callerOf(issuer.sign({ sub: 'Zoë|17', scope: 'openid housing:write' }))
    expect(caller).toEqual({ name: 'sub:Zoë|17', scopes: new Set(['housing:write']) })
    const longest = '\u{1F3E0}'.repeat(200)
    expect(await outcome(issuer.sign({ sub: longest }))).toBe(`sub:${longest}`)
  })
})

describe('a token is not accepted', () => {
  const day = 24 * 3600
  const cases: [what: string, claims: Record<string, unknown>, header: Record<string, unknown>, reason: RegExp][] = [
    ['without exp', { exp: undefined }, {}, /exp/],
    ['with an exp that is not a number', { exp: 'tomorrow' }, {}, /exp/],
    ['that has expired', { exp: now() - 31 }, {}, /exp/],
    ['that is valid for days', { exp: now() + day + 60 }, {}, /24 hours/],
    ['that is valid forever', { exp: 1e300 }, {}, /24 hours/],
    ['that is not valid yet', { nbf: now() + 60 }, {}, /nbf/],
    ['without an audience', { aud: undefined }, {}, /aud/],
    ['for another audience', { aud: 'other' }, {}, /aud/],
    ['for an audience that begins in the same way', { aud: `${audience}-2` }, {}, /aud/],
    ['for other audiences', { aud: ['other', 'another', [audience]] }, {}, /aud/],
    ['without an issuer', { iss: undefined }, {}, /iss/],
    ['of another issuer', { iss: 'https://id.example.org' }, {}, /iss/],
    ['of an issuer that is spelled differently', { iss: `${issuer.url}/` }, {}, /iss/],
    ['without sub', { sub: undefined }, {}, /sub/],
    ['with an empty sub', { sub: '' }, {}, /sub/],
    ['with a number as sub', { sub: 17 }, {}, /sub/],
    ['with null as sub', { sub: null }, {}, /sub/],
    ['with a list as sub', { sub: ['alice'] }, {}, /sub/],
    ['with a sub of 201 characters', { sub: 'a'.repeat(201) }, {}, /sub/],
    ['with a newline in sub', { sub: 'alice\n' }, {}, /sub/],
    ['with NUL in sub', { sub: 'al\0ice' }, {}, /sub/],
    ['with C1 in sub', { sub: 'al\u009bice' }, {}, /sub/],
    ['with half a character in sub', { sub: 'al\ud83cice' }, {}, /sub/],
    ['with reversed text in sub', { sub: 'al\u202eice' }, {}, /sub/],
    ['with nonce', { nonce: 'n-0S6' }, {}, /ID token/],
    ['with at_hash', { at_hash: '77QmUP' }, {}, /ID token/],
    ['with c_hash', { c_hash: '77QmUP' }, {}, /ID token/],
    ['of the type ID', { typ: 'ID' }, {}, /typ/],
    ['of the type Refresh', { typ: 'Refresh' }, {}, /typ/],
    ['with the header of an ID token', {}, { typ: 'ID' }, /typ/],
    ['with the header of a logout token', {}, { typ: 'logout+jwt' }, /typ/],
    ['with the header of a security event', {}, { typ: 'application/secevent+jwt' }, /typ/],
    ['with an unknown extension', {}, { crit: ['my-secret'], 'my-secret': true }, /^401 an unknown extension$/],
    ['with a payload that is not encoded', {}, { crit: ['b64'], b64: false }, /./],
    ['with an unknown kid', {}, { kid: 'other' }, /key/],
    ['with a number as kid', {}, { kid: 1 }, /key/],
    ['with the kid of a key of another kind', {}, { kid: 'RSA-1' }, /key/],
  ]
  test.each(cases)('%s', async (_what, claims, header, reason) => {
    const found = await outcome(issuer.sign(claims, { header }))
    expect(found).toMatch(/^401 /)
    expect(found).toMatch(reason)
  })

  test.each(['none', 'None', 'HS256', 'RS384', 'PS512', 'ES384', 'RS1', 'A128KW', '', 17, null])(
    'with the algorithm %j, whoever signed it',
    async (alg) => {
      const key = issuer.publicKey('RS256').export({ format: 'pem', type: 'spki' })
      const name = typeof alg === 'string' && /^(none|HS)/.test(alg) ? alg : 'RS256'
      const token = issuer.sign({}, { alg: name, key: name === 'RS256' ? undefined : key, header: { alg } } as object)
      expect(await outcome(token)).toMatch(/^401 .*alg/)
      expect(issuer.requests, 'no key is needed for that').toEqual([])
    },
  )

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('with HS256 and the public key for %s as its secret', async (alg) => {
    const key = issuer.publicKey(alg)
    const jwk = key.export({ format: 'jwk' })
    const { kid } = issuer.publicKeys().find(({ kty }) => kty === jwk.kty) as { kid: string }
    const secrets = [
      key.export({ format: 'pem', type: 'spki' }),
      key.export({ format: 'der', type: 'spki' }),
      JSON.stringify(jwk),
      Buffer.from(String(jwk.x ?? jwk.n), 'base64url'),
    ]
    await outcome(issuer.sign()) // the keys are known now
    for (const secret of secrets)
      expect(await outcome(issuer.sign({}, { alg: 'HS256', key: secret, header: { kid } }))).toMatch(/^401 .*alg/)
  })

  test('with a key that it brings along, or that lies where it says', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'mine' }
    let asked = 0
    const other = createServer((_request, response) => {
      asked += 1
      answering({ keys: [jwk] })(response)
    }).listen(0, '127.0.0.1')
    const url = await new Promise((resolve) =>
      other.on('listening', () => resolve(`http://127.0.0.1:${(other.address() as { port: number }).port}`)),
    )
    for (const kid of ['mine', 'EC-1'])
      for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }])
        expect(await outcome(issuer.sign({}, { key: privateKey, header: { kid, ...header } }))).toMatch(/^401 /)
    expect(asked).toBe(0)
    other.close()
  })

  test('with a signature of another, a changed one, or none', async () => {
    const [head, claims, signature] = issuer.sign().split('.') as [string, string, string]
    const [, others] = issuer.sign({ sub: 'bob' }).split('.')
    const bytes = Buffer.from(signature, 'base64url')
    bytes[10] = (bytes[10] as number) ^ 1
    const changed = bytes.toString('base64url')
    for (const token of [`${head}.${others}.${signature}`, `${head}.${claims}.${changed}`, `${head}.${claims}.`])
      expect(await outcome(token)).toBe('401 signature verification failed')
  })

  test.each([
    '',
    '.',
    '..',
    '...',
    'a',
    'a.b',
    'a.b.c',
    'a.b.c.d.e',
    'é.é.é',
    'bnVsbA.bnVsbA.',
    'W10.W10.W10',
    'e30.e30.e30',
  ])('that is none: %j', async (text) => expect(await outcome(text)).toMatch(/^401 ./))
})

test.each<[claims: Record<string, unknown>, scopes: string[]]>([
  [{ scope: 'housing:read' }, ['housing:read']],
  [{ scope: 'openid housing:read  housing:admin email' }, ['housing:read', 'housing:admin']],
  [{ scp: 'housing:write' }, ['housing:write']],
  [{ scp: ['housing:read', 'openid', 7, null] }, ['housing:read']],
  [{ scope: 'housing:read', scp: ['housing:admin'] }, ['housing:read']],
  [{ scope: 'openid', resource_access: { api: { roles: ['housing:write'] } } }, ['housing:write']],
  [{ resource_access: { api: { roles: ['uma', 'housing:admin'] } } }, ['housing:admin']],
  [{ scope: 'housing:read', resource_access: { api: { roles: ['housing:admin'] } } }, ['housing:read']],
  [{ resource_access: { other: { roles: ['housing:admin'] } } }, []],
  [{ realm_access: { roles: ['housing:admin'] } }, []],
  [{ scope: 'housing:*' }, []],
  [{ scope: 'HOUSING:READ housing:readers' }, []],
  [{ scope: { 'housing:read': true }, scp: 7 }, []],
  [{ scope: null, scp: null, resource_access: null }, []],
  [{ resource_access: { api: null } }, []],
  [{ resource_access: { api: { roles: { 0: 'housing:admin' } } } }, []],
  [{ resource_access: 'api' }, []],
  [{}, []],
])('%j grants %j', (claims, scopes) => expect([...scopesOf(claims, 'api')]).toEqual(scopes))

describe('the issuer', () => {
  const users = Array.from({ length: 200 }, (_, i) => `sub:user ${i}`)
  const many = () => users.map((_, i) => issuer.sign({ sub: `user ${i}` }))

  test('is asked at the first token, and once for all that arrive together', async () => {
    expect(issuer.requests).toEqual([])
    expect(new Set(await Promise.all(many().map(outcome)))).toEqual(new Set(users))
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/keys'])
    expect(lines).toEqual([])
  })

  test('may have new keys: the first token with one fetches them', async () => {
    const old = issuer.sign({ sub: 'bob' })
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    issuer.rotate()
    pass(5)
    const later = [1, 2, 3].map((n) => outcome(issuer.sign({ sub: `user ${n}` })))
    expect(await Promise.all(later)).toEqual(['sub:user 1', 'sub:user 2', 'sub:user 3'])
    expect(issuer.requests.slice(2), 'discovery is over').toEqual(['/keys'])
    expect(await outcome(old)).toMatch(/^401 .*key/)
  })

  test('is not asked for every unknown key, and nobody else waits', async () => {
    const flood = (part: number) =>
      Promise.all(Array.from({ length: 50 }, (_, i) => outcome(issuer.sign({}, { header: { kid: `${part}.${i}` } }))))
    await outcome(issuer.sign())
    for (const part of [1, 2, 3]) expect(new Set(await flood(part))).toEqual(new Set([expect.stringMatching(/^401/)]))
    expect(issuer.requests).toHaveLength(2)
    pass(5)
    issuer.answers.keys = hanging
    const waiting = flood(4)
    expect(await outcome(issuer.sign({ sub: 'bob' }))).toBe('sub:bob')
    expect(new Set(await waiting)).toEqual(new Set(['503']))
    expect(issuer.requests).toHaveLength(3)
  })

  test('is not needed for keys that are known, whatever their age', async () => {
    await outcome(issuer.sign())
    await issuer.stop()
    for (const seconds of [60, 3600, 30 * 24 * 3600]) {
      pass(seconds)
      expect(await outcome(issuer.sign())).toBe('sub:alice')
    }
    expect(await outcome(issuer.sign({}, { header: { kid: 'new' } })), 'it may be a new key').toBe('503')
    await issuer.start()
    issuer.rotate()
    pass(1)
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    expect(lines).toEqual([
      expect.stringMatching(/^warn .*AUTH_ISSUER.*cannot be reached: .+ known go on serving$/),
      'info The issuer of AUTH_ISSUER answers again',
    ])
  })

  test('is asked in the background when the keys are old', async () => {
    await outcome(issuer.sign())
    pass(601)
    const asked = new Promise<ServerResponse>((resolve) => {
      issuer.answers.keys = resolve
    })
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    const response = await asked
    expect(await outcome(issuer.sign({ sub: 'bob' }))).toBe('sub:bob')
    issuer.rotate()
    const later = outcome(issuer.sign({ sub: 'carol' })) // waits for the same answer, as it needs the new key
    answering({ keys: issuer.publicKeys() })(response)
    expect(await later).toBe('sub:carol')
    expect(issuer.requests).toHaveLength(3)
  })

  test('that is away is a 503 until it is back, and is asked once a second', async () => {
    issuer.answers.discovery = answering('maintenance', 503)
    const flood = () => Promise.all(many().map(outcome))
    for (let round = 1; round <= 3; round++) {
      expect(new Set([...(await flood()), ...(await flood())])).toEqual(new Set(['503']))
      expect(issuer.requests).toHaveLength(round)
      pass(1)
    }
    expect(await outcome(issuer.sign({}, { alg: 'none', key: '' })), 'whose signature would not help').toMatch(/^401/)
    issuer.repent()
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    expect(lines).toEqual([
      expect.stringMatching(/^warn .*AUTH_ISSUER.*cannot be reached: http.* answers 503\. Until it answers, .* 503$/),
      'info The issuer of AUTH_ISSUER answers again',
    ])
  })

  test.each(['discovery', 'keys'] as const)(
    'that hangs at the %s holds nobody for more than two seconds',
    async (what) => {
      issuer.answers[what] = hanging
      expect(await outcome(issuer.sign())).toBe('503')
      expect(lines).toEqual([expect.stringMatching(/no answer within 2 s/)])
      issuer.repent()
      expect(await outcome(issuer.sign()), 'within the second').toBe('503')
      pass(1)
      expect(await outcome(issuer.sign())).toBe('sub:alice')
    },
  )

  test('that stops in the middle of an answer', async () => {
    issuer.answers.keys = (response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"keys":[')
      setImmediate(() => response.destroy())
    }
    expect(await outcome(issuer.sign())).toBe('503')
    expect(lines).toEqual([expect.stringMatching(/cannot be reached/)])
  })

  const { url } = issuer
  const jwksUri = (jwks_uri: unknown) => ({ discovery: answering({ issuer: url, jwks_uri }) })
  test.each<[what: string, answers: object, line: RegExp]>([
    ['for another issuer', { discovery: answering({ issuer: 'https://a.org', jwks_uri: url }) }, /"https:\/\/a\.org"/],
    ['for an issuer with a slash', { discovery: answering({ issuer: `${url}/`, jwks_uri: url }) }, /for the issuer/],
    ['for no issuer', { discovery: answering({ jwks_uri: `${url}/keys` }) }, /for the issuer undefined/],
    ['null', { discovery: answering(null) }, /for the issuer undefined/],
    ['a page', { discovery: answering('<html>') }, /does not answer JSON/],
    ['nothing', { discovery: answering('') }, /does not answer JSON/],
    ['404', { discovery: answering('', 404) }, /answers 404/],
    ['a redirect', { discovery: answering('', 302, { location: `${url}/keys` }) }, /answers 302/],
    ['http elsewhere', jwksUri('http://192.0.2.1/keys'), /"http:\/\/192\.0\.2\.1\/keys", not https/],
    ['a file', jwksUri('file:///etc/passwd'), /not https/],
    ['data', jwksUri('data:application/json,{"keys":[]}'), /not https/],
    ['a relative address', jwksUri('/keys'), /not https/],
    ['no address', jwksUri(undefined), /not https/],
    ['a redirect of the keys', { keys: answering('', 307, { location: `${url}/elsewhere` }) }, /answers 307/],
    ['a page of keys', { keys: answering('<html>') }, /does not answer JSON/],
    ['a list of keys', { keys: answering([]) }, /no JSON Web Key Set/],
    ['keys of no kind', { keys: answering({ keys: ['key'] }) }, /no JSON Web Key Set/],
    ['no keys', { keys: answering({}) }, /no JSON Web Key Set/],
    ['over a mebibyte', { keys: answering(' '.repeat(1024 * 1024 + 1)) }, /more than 1 MiB/],
  ])('that answers %s is wrong: 503, said once, until it is right', async (_what, answers, line) => {
    Object.assign(issuer.answers, answers)
    for (let i = 0; i < 3; i++) {
      expect(await outcome(issuer.sign())).toBe('503')
      pass(1)
    }
    expect(lines).toEqual([expect.stringMatching(line)])
    expect(lines[0]).toMatch(/^warn The issuer of AUTH_ISSUER/)
    expect(issuer.requests).not.toContain('/elsewhere')
    issuer.repent()
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    expect(lines.slice(1)).toEqual(['info The issuer of AUTH_ISSUER answers again'])
  })

  test('that is away and then wrong is reported twice', async () => {
    for (const status of [503, 502, 404, 404]) {
      issuer.answers.discovery = answering('', status)
      expect(await outcome(issuer.sign())).toBe('503')
      pass(1)
    }
    expect(lines).toEqual([expect.stringMatching(/answers 503/), expect.stringMatching(/answers 404/)])
  })

  test('with keys that cannot be used does not harm the others', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'secret', alg: 'HS256' }
    const odd = [
      { ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak' },
      { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'broken' },
      { kty: 'EC', crv: 'P-256', kid: 'empty' },
      { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), kid: 'private' },
      secret,
      {},
    ]
    issuer.answers.keys = answering({ keys: [...odd, ...issuer.publicKeys()] })
    const weakToken = issuer.sign({}, { alg: 'RS256', key: weak.privateKey, header: { kid: 'weak' } })
    expect(await outcome(weakToken)).toMatch(/^401/)
    for (const kid of ['broken', 'empty', 'private', 'secret'])
      expect(await outcome(issuer.sign({}, { header: { kid } })), kid).toMatch(/^401/)
    expect(await outcome(issuer.sign({}, { alg: 'HS256', key: 'secret', header: { kid: 'secret' } }))).toMatch(/^401/)
    expect(await outcome(issuer.sign())).toBe('sub:alice')
  })

  test('that has published a broken key is right as soon as the key is', async () => {
    const broken = issuer.publicKeys().map(({ kid, kty }) => ({ kid, kty, crv: 'P-256', x: 'AA', y: 'AA' }))
    issuer.answers.keys = answering({ keys: broken })
    expect(await outcome(issuer.sign())).toMatch(/^401/)
    issuer.repent()
    pass(5)
    expect(await outcome(issuer.sign())).toBe('sub:alice')
  })

  test('must name its key in each token if several fit', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
    issuer.answers.keys = answering({ keys: [...issuer.publicKeys(), { ...other, kid: 'other' }] })
    expect(await outcome(issuer.sign({}, { header: { kid: undefined } }))).toMatch(/^401 multiple matching keys/)
    expect(await outcome(issuer.sign())).toBe('sub:alice')
  })

  test('may have its keys at http on this machine, whatever that is called', async () => {
    issuer.answers.discovery = answering({ issuer: url, jwks_uri: `${url.replace('127.0.0.1', 'localhost')}/keys` })
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    issuer.answers.discovery = answering({ issuer: url, jwks_uri: 'http://[::1]:1/keys' })
    tokens = newTokens()
    expect(await outcome(issuer.sign())).toBe('503')
    expect(lines).toEqual([expect.stringMatching(/cannot be reached/)])
  })

  test('whose name ends in a slash has its discovery below it', async () => {
    issuer.answers.discovery = answering({ issuer: `${url}/`, jwks_uri: `${url}/keys` })
    tokens = new Tokens({ issuer: `${url}/`, audience, log })
    expect(await outcome(issuer.sign({ iss: `${url}/` }))).toBe('sub:alice')
  })

  test('may move its keys', async () => {
    await outcome(issuer.sign())
    issuer.answers.keys = answering('', 404)
    issuer.rotate()
    pass(5)
    expect(await outcome(issuer.sign())).toBe('503')
    pass(1)
    issuer.repent()
    expect(await outcome(issuer.sign())).toBe('sub:alice')
    expect(issuer.requests.slice(2)).toEqual(['/keys', '/.well-known/openid-configuration', '/keys'])
  })
})

describe('a token that was valid', () => {
  test('has the same caller each time, also when it arrives many times at once', async () => {
    const token = issuer.sign()
    const callers = await Promise.all(Array.from({ length: 20 }, () => tokens.callerOf(token)))
    expect(new Set([...callers, await tokens.callerOf(token)]).size).toBe(1)
  })

  test('is remembered for a minute at most', async () => {
    const token = issuer.sign()
    const first = await tokens.callerOf(token)
    issuer.rotate()
    pass(30)
    await outcome(issuer.sign()) // its key makes the issuer's new keys known
    pass(29)
    expect(await tokens.callerOf(token)).toBe(first)
    pass(1)
    expect(await outcome(token)).toMatch(/^401 .*key/)
  })

  test('is not remembered beyond its end', async () => {
    const token = issuer.sign({ exp: now() + 10 })
    const first = await tokens.callerOf(token)
    pass(9)
    expect(await tokens.callerOf(token)).toBe(first)
    pass(1)
    expect(await outcome(token), 'the tolerance').toBe('sub:alice')
    pass(30)
    expect(await outcome(token)).toMatch(/^401 .*exp/)
  })

  test('is forgotten if too many others follow', { timeout: 120_000 }, async () => {
    const token = issuer.sign()
    const first = await tokens.callerOf(token)
    const others = (from: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) => tokens.callerOf(issuer.sign({ sub: `${from + i}` }, { alg: 'EdDSA' }))),
      )
    await others(0, 9999)
    expect(await tokens.callerOf(token)).toBe(first)
    await others(9999, 1)
    const again = await tokens.callerOf(token)
    expect(again).not.toBe(first)
    expect(again).toEqual(first)
  })

  test('is never taken for a similar one', async () => {
    const token = issuer.sign()
    await tokens.callerOf(token)
    for (const other of [`${token}A`, `${token}.`, token.slice(0, -2), ` ${token}`, token.toUpperCase()])
      expect(await outcome(other)).toMatch(/^401/)
  })
})

test('no part of a token is in a line of the log or in a reason', async () => {
  const secret = 'Sup3rS3cret'
  const claims = ['sub', 'aud', 'iss', 'nonce', 'exp', 'nbf', 'typ'].map((name) => ({ [name]: secret }))
  const headers = ['kid', 'alg', 'typ', 'crit'].map((name) => ({ [name]: secret }))
  const bad = [
    ...claims.map((claims) => issuer.sign({ nonce: secret, ...claims })),
    ...[...headers, { crit: [secret] }, { crit: [secret], [secret]: 1 }].map((header) => issuer.sign({}, { header })),
  ]
  const found = []
  for (const keys of [issuer.answers.keys, answering('<html>')]) {
    issuer.answers.keys = keys
    tokens = newTokens()
    for (const token of bad) found.push(await outcome(token))
  }
  expect(lines).toHaveLength(1)
  expect(found.filter((text) => !/^(401 .+|503)$/.test(text))).toEqual([])
  for (const text of [...found, ...lines])
    for (const part of [secret, ...bad.flatMap((token) => token.split('.'))]) expect(text).not.toContain(part)
})
