/** The folder of the checkout, or of the image; the same seen from src/ and from dist/. */
export const root = new URL('..', import.meta.url)
