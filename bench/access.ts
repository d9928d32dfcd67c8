// GET by id with an API key, and with the token of an issuer, compared with the same where nobody has to say who they are.
import { makeApiKey } from '../src/access/api-key.ts'
import { insertKey } from '../src/access/queries.ts'
import { readConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/database/open.ts'
import { audience, startIssuer } from '../test/support/issuer.ts'
import { asking, withHouses } from './houses.ts'
import { compareServers, startProgram } from './pairs.ts'

const issuer = await startIssuer()
const access = { AUTH: 'keys', AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience, RATE_LIMIT: 'off' }

await withHouses(async (DATABASE_URL) => {
  const { key, ...stored } = makeApiKey()
  const database = await openDatabase(readConfig({ DATABASE_URL }).database)
  await insertKey(database.db, { ...stored, name: 'bench', scopes: ['housing:read'], lifetime: 3600 })
  await database.close()
  const token = issuer.sign({ exp: Date.now() / 1000 + 3600 })
  for (const [title, credentials] of Object.entries({ 'with an API key': key, 'with a token': token }))
    await compareServers(
      `GET /api/v2/housing/{id} ${title}`,
      { headers: { authorization: `Bearer ${credentials}` }, ...asking((random) => `/api/v2/housing/${1 + random}`) },
      [() => startProgram(DATABASE_URL), () => startProgram(DATABASE_URL, access)],
    )
})
await issuer.close()
