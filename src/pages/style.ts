/** What the pages share, and from `#docs` on what fits Swagger UI into it. It is dark where the reader's system is. */
export const style = `:root {
  color-scheme: light dark;
  --ink: #1d2a2c; --soft: #566567; --ground: #fbfaf7; --raised: #ffffff; --line: #dcdfda; --accent: #0f6b62;
  --read: #0f6b62; --add: #2f6d2a; --change: #8a5a00; --remove: #a8322a; --on-accent: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e9e6; --soft: #a3b0ae; --ground: #14191a; --raised: #1c2324; --line: #37423f; --accent: #6cc8bc;
    --read: #6cc8bc; --add: #8fce86; --change: #e6b566; --remove: #f19a90; --on-accent: #14191a;
  }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
a { color: var(--accent); }
code { font: 0.92em ui-monospace, monospace; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
header {
  display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: center; justify-content: space-between;
  padding: 12px max(20px, calc((100% - 1060px) / 2)); border-bottom: 1px solid var(--line); background: var(--raised);
}
header .name { display: flex; gap: 10px; align-items: center; color: var(--ink); font-weight: 600; text-decoration: none; }
header nav { display: flex; flex-wrap: wrap; gap: 0 18px; }
body > main { max-width: 760px; margin: 0 auto; padding: 20px 20px 60px; }
body > main h1 { font-size: 1.6rem; line-height: 1.25; margin: 20px 0 8px; }
body > main table { width: 100%; border-collapse: collapse; }
body > main :is(th, td) { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
body > main td code { display: block; color: var(--soft); }
noscript p { padding: 0 20px; }

html.dark-mode { background: var(--ground); }
#docs .swagger-ui { background: var(--ground); color: var(--ink); font: inherit; }
#docs .wrapper { max-width: 1100px; }
#docs .info { margin: 28px 0 12px; }
#docs .info .title { font: 600 1.8rem/1.2 system-ui, sans-serif; }
#docs .info .title small { top: -4px; background: var(--soft); }
#docs .info .title small pre { color: var(--ground); }
#docs :is(.info .title .version-stamp, .info .link, .servers, .servers-title, .response-col_links) { display: none; }
#docs :is(.info .title, .opblock-tag, p, li, td, th, h4, h5, label, .opblock-summary-path, .opblock-summary-description) {
  color: var(--ink);
}
#docs :is(.info a, .opblock-tag small a, .renderedMarkdown a) { color: var(--accent); }
#docs .scheme-container { background: none; border: 0; box-shadow: none; margin: 0; padding: 12px 0; }
#docs .btn.authorize { border-color: var(--accent); color: var(--accent); }
#docs .btn.authorize svg { fill: var(--accent); }
#docs .btn.execute { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
#docs .opblock-tag { flex-wrap: wrap; border-color: var(--line); font: 600 1.25rem/1.3 system-ui, sans-serif; }
#docs .opblock-tag small { flex: 1 1 240px; padding: 4px 10px; overflow-wrap: break-word; }
#docs .opblock {
  --method: var(--read); margin: 0 0 8px; border-color: var(--line); background: var(--raised); box-shadow: none;
}
#docs .opblock-post { --method: var(--add); }
#docs :is(.opblock-put, .opblock-patch) { --method: var(--change); }
#docs .opblock-delete { --method: var(--remove); }
#docs .opblock .opblock-summary { border-color: var(--line); }
#docs .opblock .opblock-summary-method { background: var(--method); color: var(--on-accent); text-shadow: none; }
#docs .opblock .tab-header .tab-item.active h4 span::after { background: var(--method); }
#docs .opblock .opblock-section-header { border-top: 1px solid var(--line); background: none; box-shadow: none; }
#docs .renderedMarkdown code { padding: 0; background: none; color: var(--accent); }
#docs .renderedMarkdown pre { overflow-x: auto; padding: 12px; border-radius: 6px; background: #14191a; }
#docs .renderedMarkdown pre code { color: #e4e9e6; white-space: pre; }
@media (max-width: 640px) {
  #docs .wrapper { padding: 0 12px; }
  #docs .opblock .opblock-summary-method { min-width: 62px; padding: 6px 4px; font-size: 12px; }
  #docs :is(.responses-table, .parameters) td { overflow-wrap: anywhere; }
}
`
