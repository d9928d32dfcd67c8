import {
  constants,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  type SignKeyObjectInput,
  sign as signBytes,
} from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'

export const audience = 'sample-api'
type Answer = (response: ServerResponse) => void
type Claims = Record<string, unknown>

interface SignOptions {
  alg?: string
  /** Instead of the issuer's key for this algorithm; for HS256 the secret. */
  key?: KeyObject | string | Buffer
  /** More members of the header; undefined leaves one out. */
  header?: Record<string, unknown>
}

const newKeys = () => ({
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EC: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  OKP: generateKeyPairSync('ed25519'),
})

const typeOf = (alg: string) => (alg === 'EdDSA' ? 'OKP' : alg.startsWith('ES') ? 'EC' : 'RSA')

/** Signs as RFC 7518 and RFC 8037 say; `none` signs with nothing. */
function signatureOf(data: string, alg: string, key: KeyObject | string | Buffer): Buffer {
  const hash = `sha${alg.slice(2)}`
  if (alg === 'none') return Buffer.alloc(0)
  if (alg.startsWith('HS')) return createHmac(hash, key).update(data).digest()
  if (alg === 'EdDSA') return signBytes(null, Buffer.from(data), key as KeyObject)
  const options = {
    ES: { dsaEncoding: 'ieee-p1363' },
    PS: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
  }[alg.slice(0, 2)] as Partial<SignKeyObjectInput> | undefined
  return signBytes(hash, Buffer.from(data), { ...options, key: key as KeyObject })
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Answers with this, as JSON unless it is a text. */
export const answering =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))

/** Never answers. */
export const hanging: Answer = () => {}

/** An OpenID Connect issuer on 127.0.0.1, with keys of each kind. */
export async function startIssuer() {
  let keys = newKeys()
  let round = 1
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    issuer.requests.push(path)
    const answer = { [discovery]: issuer.answers.discovery, '/keys': issuer.answers.keys }[path] ?? answering({}, 404)
    answer(response)
  })

  async function listen(port: number): Promise<number> {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return (server.address() as { port: number }).port
  }
  async function stop(): Promise<void> {
    server.closeAllConnections()
    await once(server.close(), 'close')
  }

  const port = await listen(0)
  const url = `http://127.0.0.1:${port}`
  const truth = {
    discovery: answering({ issuer: url, jwks_uri: `${url}/keys` }),
    keys: (response: ServerResponse) => answering({ keys: issuer.publicKeys() })(response),
  }
  const issuer = {
    url,
    /** The paths that it was asked for. */
    requests: [] as string[],
    /** What it answers now. */
    answers: { ...truth } as Record<keyof typeof truth, Answer>,
    /** Answers the truth again. */
    repent: () => void Object.assign(issuer.answers, truth),
    publicKeys: () =>
      Object.entries(keys).map(([type, { publicKey }]) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid: `${type}-${round}`,
        use: 'sig',
      })),
    publicKey: (alg: string) => keys[typeOf(alg)].publicKey,
    /** Signs with new keys from now on, and publishes only those. */
    rotate() {
      keys = newKeys()
      round += 1
    },
    /** A token for these claims, besides those that make it valid; undefined leaves one out. */
    sign(claims: Claims = {}, { alg = 'ES256', key, header = {} }: SignOptions = {}): string {
      const now = Math.floor(Date.now() / 1000)
      const valid = { iss: url, aud: audience, sub: 'alice', iat: now, exp: now + 300, scope: 'housing:read' }
      const head = { alg, kid: `${typeOf(alg)}-${round}`, typ: 'at+jwt', ...header }
      const data = `${encoded(head)}.${encoded({ ...valid, ...claims })}`
      return `${data}.${signatureOf(data, alg, key ?? keys[typeOf(alg)].privateKey).toString('base64url')}`
    },
    /** Stops listening, so that connections are refused. */
    stop,
    /** Listens again, where it did. */
    start: async () => void (await listen(port)),
    close: () => (server.listening ? stop() : Promise.resolve()),
  }
  return issuer
}

const discovery = '/.well-known/openid-configuration'
