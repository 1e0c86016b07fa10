import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

class FakeSource extends EventTarget {
  static readonly CLOSED = 2
  static all: FakeSource[] = []
  readyState = 0
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  constructor(readonly url: string) {
    super()
    FakeSource.all.push(this)
  }
  close(): void {
    this.readyState = FakeSource.CLOSED
  }
  opens(): void {
    this.readyState = 1
    this.onopen?.()
  }
  fails(closed: boolean): void {
    this.readyState = closed ? FakeSource.CLOSED : 0
    this.onerror?.()
  }
  says(topic: string, data: string): void {
    this.dispatchEvent(Object.assign(new Event(topic), { data }))
  }
}

const answers = { session: () => Promise.resolve({ ok: true }) as Promise<unknown> }

async function fresh(): Promise<typeof import('../src/live/stream')> {
  vi.resetModules()
  vi.doMock('../src/api/session', () => ({ currentSession: () => answers.session() }))
  return import('../src/live/stream')
}

const last = (): FakeSource => FakeSource.all.at(-1) as FakeSource

describe('the live stream', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 })
    FakeSource.all = []
    answers.session = () => Promise.resolve({ ok: true })
    vi.stubGlobal('EventSource', FakeSource)
    const page = new EventTarget()
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('hands each record to those who asked for its topic, and skips what cannot be read', async () => {
    const stream = await fresh()
    const heard: unknown[] = []
    const stop = stream.onTopic('alert.raised', (record) => heard.push(record))
    stream.openStream()
    last().opens()
    last().says('alert.raised', '{"id":"a"}')
    last().says('alert.raised', 'no json')
    last().says('event.changed', '{"no":"e"}')
    expect(heard).toEqual([{ id: 'a' }])
    stop()
    last().says('alert.raised', '{"id":"b"}')
    expect(heard).toHaveLength(1)
    stream.closeStream()
  })

  it('has everything fetched anew after every connection', async () => {
    const stream = await fresh()
    const resync = vi.fn()
    stream.onResync(resync)
    stream.openStream()
    last().opens()
    last().says('overrun', '{}')
    last().fails(false)
    expect(stream.streamState.value).toBe('connecting')
    expect(stream.streamLostSince.value).toBe(1_000_000)
    last().opens()
    expect(resync).toHaveBeenCalledTimes(2)
    expect([stream.streamState.value, stream.streamLostSince.value]).toEqual(['open', null])
    expect(FakeSource.all).toHaveLength(1)
    stream.closeStream()
  })

  it('opens a new one where the browser gave up, and asks whether the session still stands', async () => {
    const stream = await fresh()
    const asked = vi.fn(() => Promise.reject(new Error('gone')))
    answers.session = asked
    stream.openStream()
    last().fails(true)
    expect(asked).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(3000)
    expect(FakeSource.all).toHaveLength(2)
    stream.closeStream()
  })

  it('finds out that a silent line is dead', async () => {
    const stream = await fresh()
    stream.openStream()
    last().opens()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(FakeSource.all).toHaveLength(1)
    answers.session = () => Promise.reject(new Error('timeout'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(FakeSource.all).toHaveLength(2)
    expect(FakeSource.all[0]?.readyState).toBe(FakeSource.CLOSED)
    expect(stream.streamLostSince.value).not.toBeNull()
    stream.closeStream()
  })

  it('ends with the page and tries no more', async () => {
    const stream = await fresh()
    stream.openStream()
    stream.openStream()
    last().fails(true)
    stream.closeStream()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(FakeSource.all).toHaveLength(1)
    expect(stream.streamState.value).toBe('closed')
  })
})
