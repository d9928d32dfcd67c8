// POST compared with a bare Fastify that sends one named insert per request to the same table, with the same triggers.
import Fastify from 'fastify'
import pg from 'pg'
import { withHouses } from './houses.ts'
import { compare, isBare, listen } from './pairs.ts'

const house = { address: '1207', street: 'Douglas Street', city: 'Victoria', postal_code: 'V8W 2E7' }

async function bare(): Promise<void> {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
  const text = `insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ($1, $2, $3, $4, (select id from housing.housing_types where code = $5)) returning *`
  const textVersion1 = `insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ($1, $2, $3, $4, $5) returning id as housing_id, address, street, city, postal_code, housing_type_id`

  const app = Fastify()
  app.get('/', async () => ({}))
  app.post<{ Body: typeof house & { housing_type: string } }>('/api/v2/housing', async ({ body }, reply) => {
    const { address, street, city, postal_code, housing_type } = body
    const values = [address, street, city, postal_code, housing_type]
    const { rows } = await pool.query({ name: 'insert', text, values })
    return reply.code(201).send({ ...rows[0], housing_type })
  })
  app.post<{ Body: typeof house & { housing_type_id: number } }>('/api/v1/housing/', async ({ body }) => {
    const { address, street, city, postal_code, housing_type_id } = body
    const values = [address, street, city, postal_code, housing_type_id]
    const { rows } = await pool.query({ name: 'insertVersion1', text: textVersion1, values })
    return rows[0]
  })
  await listen(app)
}

const posting = (path: string, body: object) => ({
  requests: [
    { method: 'POST' as const, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  ],
})

if (isBare) await bare()
else
  await withHouses(async (url) => {
    const [version2, version1] = ['/api/v2/housing', '/api/v1/housing/']
    await compare(`POST ${version2}`, import.meta.url, url, posting(version2, { ...house, housing_type: 'SFD' }))
    await compare(`POST ${version1}`, import.meta.url, url, posting(version1, { ...house, housing_type_id: 1 }))
  })
