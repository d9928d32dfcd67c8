/** The URL of the file, relative to the script. */
declare module '*.csv' {
  const url: string
  export default url
}
