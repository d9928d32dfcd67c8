/** Has the browser save what a URL answers as a file, without a name under that which the answer suggests. */
export function download(href: string, name = ''): void {
  Object.assign(document.createElement('a'), { href, download: name }).click()
}

/** Saves bytes as a file of this name. */
export function saveAs(name: string, blob: Blob): void {
  const href = URL.createObjectURL(blob)
  download(href, name)
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
