import { Problem } from '@sample-api/client'
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { needsKey, sentence } from './api.ts'
import { to } from './url.ts'

/** What failed, in the words of the API, and how to go on. */
export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>{sentence(error)}</p>
      <p>
        {again && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
        {needsKey(error) && <a href={to({ view: 'sign-in' })}>Sign in</a>}
        {error instanceof Problem && (
          <a href={`problems/${error.code}`} target="_blank" rel="noopener">
            What this means
          </a>
        )}
      </p>
    </div>
  )
}

/** A time, short, with all of it on hover. */
export function Time({ at }: { at: string }) {
  const time = new Date(at)
  const isToday = time.toDateString() === new Date().toDateString()
  const text = isToday
    ? time.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
    : time.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
  return (
    <time dateTime={at} title={time.toLocaleString()}>
      {text}
    </time>
  )
}

/** The side panel, or a page of its own on a narrow screen. `opener` selects what has the focus after it. */
export function Panel(props: { title: string; close: string; opener?: string; children: ComponentChildren }) {
  const { title, close, opener, children } = props
  const heading = useRef<HTMLHeadingElement>(null)
  useLayoutEffect(() => {
    // not a frame later, when somebody may be typing into a field already
    const before = document.activeElement as HTMLElement | null
    heading.current?.focus()
    return () =>
      requestAnimationFrame(() => {
        if (document.activeElement !== document.body) return
        const row = opener && document.querySelector<HTMLElement>(opener)
        ;(row || before)?.focus()
      })
  }, [])
  useEffect(() => {
    const before = document.title
    document.title = `${title} · ${before}`
    return () => {
      document.title = before
    }
  }, [title])
  return (
    <aside class="panel" aria-labelledby="panel-title">
      <header>
        <h2 id="panel-title" ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <a class="button quiet" href={close} aria-label="Close" data-closes>
          ×
        </a>
      </header>
      {children}
    </aside>
  )
}

/** Focuses the heading of the panel if what had the focus is gone or disabled, so that the keyboard goes on from there. */
export function keepFocus(): void {
  requestAnimationFrame(() => {
    if (document.activeElement?.matches('body, :disabled')) document.getElementById('panel-title')?.focus()
  })
}

/** `1 house`, `2,000 houses`. */
export const housesIn = (count: number) => (count === 1 ? '1 house' : `${count.toLocaleString()} houses`)
