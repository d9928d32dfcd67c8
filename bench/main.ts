// `npm run bench` lists the measurements, `npm run bench <name>` runs one.
const measurements = {
  layer: 'what the layer around every request costs: GET / beside a bare Fastify',
  lookups: 'GET by id and by postal code, beside a bare Fastify that asks the same Postgres',
  creates: 'POST, beside a bare Fastify that sends an insert for each',
  access: 'GET by id with an API key, and with a token, beside the same with AUTH=open',
  types: 'the list of housing types, from memory, beside a bare Fastify that asks Postgres',
  overload: 'what it does with two and ten times the requests that it can answer',
  files: "an import and exports of 500,000 houses beside psql's \\copy of the same rows",
  feed: 'POST while clients listen to the changes, beside nobody; and how soon they have a change',
  metrics: 'what a request pays for being measured',
  pages: 'the thousandth page of the list beside the first',
}

const name = process.argv[2] ?? ''
if (name in measurements) await import(`./${name}.ts`)
else
  for (const [name, question] of Object.entries(measurements))
    process.stdout.write(`npm run bench ${name.padEnd(8)} ${question}\n`)
