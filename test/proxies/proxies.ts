import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { freePort } from '../support/postgres.ts'

export interface ProxyServer {
  name: string
  /** The program, and how it is told to read a file and to stay one process in the foreground. */
  command: string
  args: (file: string) => string[]
  /**
   * Compresses all it can at `listen`, for the API at `port`, which it also serves below `/registry/`. Files that it
   * writes go into `folder`.
   */
  config: (listen: number, port: number, folder: string) => string
  /** What it makes of the ETag `"1-1"`. */
  etag: string
}

export const proxies: ProxyServer[] = [
  {
    name: 'nginx',
    command: 'nginx',
    args: (file) => ['-c', file],
    etag: 'W/"1-1"',
    config: (listen, port, folder) => `
      daemon off;
      master_process off;
      pid ${folder}/pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        gzip on;
        gzip_types *;
        client_max_body_size 0;
        proxy_set_header Host $http_host;
        server {
          listen 127.0.0.1:${listen};
          location / {
            proxy_pass http://127.0.0.1:${port};
          }
          location /registry/ {
            proxy_pass http://127.0.0.1:${port}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Prefix /registry;
          }
        }
      }`,
  },
  {
    name: 'haproxy',
    command: 'haproxy',
    args: (file) => ['-db', '-f', file],
    etag: 'W/"1-1"',
    config: (listen, port) => `
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  compression algo gzip
  compression type application/json application/problem+json text/html text/event-stream
frontend clients
  bind 127.0.0.1:${listen}
  acl below path_beg /registry/
  http-request set-header X-Forwarded-Prefix /registry if below
  http-request replace-path /registry(/.*) \\1 if below
  default_backend api
backend api
  server api 127.0.0.1:${port}
`,
  },
  {
    name: 'Apache',
    command: 'apache2',
    args: (file) => ['-X', '-f', file],
    etag: '"1-1-gzip"',
    config: (listen, port, folder) => `
ServerName localhost
ServerRoot ${folder}
PidFile ${folder}/pid
Mutex file:${folder}
ErrorLog ${folder}/log
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
Listen 127.0.0.1:${listen}
${['mpm_event', 'authz_core', 'filter', 'deflate', 'headers', 'proxy', 'proxy_http'].map(module).join('\n')}
SetOutputFilter DEFLATE
ProxyPreserveHost On
ProxyPass /registry/ http://127.0.0.1:${port}/
ProxyPass / http://127.0.0.1:${port}/
<Location /registry/>
  RequestHeader set X-Forwarded-Prefix /registry
</Location>
`,
  },
]

const module = (name: string) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`

/** Where the program of a proxy is; undefined where it is not installed. */
export const programOf = ({ command }: ProxyServer): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].map((folder) => join(folder, command)).find(existsSync)

/** Starts a proxy before the API at this port; it ends with the test. Returns its URL. */
export async function startProxy(proxy: ProxyServer, port: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-proxy-'))
  const file = join(folder, 'config')
  const listen = await freePort()
  await writeFile(file, proxy.config(listen, port, folder))
  const child = spawn(programOf(proxy) as string, proxy.args(file), { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exit = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL') // Apache would wait for what it forwards
    await exit
    await rm(folder, { recursive: true })
  })
  const url = `http://127.0.0.1:${listen}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${proxy.name} ended:\n${said}`)
    const isUp = await fetch(`${url}/livez`).then(
      ({ status }) => status === 200,
      () => false,
    )
    if (isUp) return url
    await sleep(50)
  }
}
