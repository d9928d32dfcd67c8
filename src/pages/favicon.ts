/** A house, in the colours of the pages. */
export const favicon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <rect width="32" height="32" rx="7" fill="#0f6b62"/>
  <path d="M16 6.5 6.5 15v1.5H9V25h14v-8.5h2.5V15z" fill="#fff"/>
  <path d="M13.5 25v-6.5h5V25z" fill="#e0a458"/>
</svg>
`
