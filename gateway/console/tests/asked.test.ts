import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'
import { Problem } from '../src/api/problem'
import { useAgain, useAsked } from '../src/live/asked'

interface Out {
  answer: (said: string) => void
  fail: (why: unknown) => void
}

describe('what is asked again and again', () => {
  let scope: EffectScope
  let out: Out[]
  let taken: string[]
  let chosen: string
  let asked: ReturnType<typeof useAsked<string>>

  beforeEach(() => {
    scope = effectScope()
    out = []
    taken = []
    chosen = 'one'
    const ask = (): Promise<string> => new Promise((answer, fail) => out.push({ answer, fail }))
    asked = scope.run(() => useAsked(ask, (said) => taken.push(said), () => chosen))!
  })
  afterEach(() => scope.stop())

  const settle = (): Promise<void> => new Promise((done) => setTimeout(done))

  it('has one question out at a time, and asks once more for all that asked meanwhile', async () => {
    const all = [asked.load(), asked.load(), asked.load()]
    expect(out).toHaveLength(1)
    out[0]?.answer('early')
    await settle()
    expect(out).toHaveLength(2)
    expect(asked.busy.value).toBe(true)
    out[1]?.answer('now')
    await Promise.all(all)
    expect(taken).toEqual(['early', 'now'])
    expect(asked.busy.value).toBe(false)
  })

  it('takes no answer about what was chosen before', async () => {
    void asked.load()
    chosen = 'other'
    void asked.load()
    out[1]?.answer('of the other')
    out[0]?.answer('of the one')
    await settle()
    expect(taken).toEqual(['of the other'])
    expect(asked.busy.value).toBe(false)
  })

  it('takes no answer from before a change made here', async () => {
    void asked.load()
    const changed = asked.renew()
    out[0]?.answer('before')
    out[1]?.answer('after')
    await changed
    expect(taken).toEqual(['after'])
  })

  it('says what went wrong until an answer comes, and nothing of a choice that is no more', async () => {
    const first = asked.load()
    out[0]?.fail(new Problem(503, 'busy', '忙', 'busy'))
    await first
    expect(asked.problem.value?.reason).toBe('busy')
    void asked.load()
    out[1]?.answer('well')
    await settle()
    expect(asked.problem.value).toBeNull()
    void asked.load()
    chosen = 'other'
    out[2]?.fail(new Problem(404, 'gone', '无', 'gone'))
    await settle()
    expect(asked.problem.value).toBeNull()
  })

  it('takes nothing once its page has gone', async () => {
    void asked.load()
    scope.stop()
    out[0]?.answer('late')
    await settle()
    expect(taken).toEqual([])
  })
})

describe('asking once more after each answer', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('waits for a slow answer, and ends with its page', async () => {
    const scope = effectScope()
    let answer: () => void = () => undefined
    const load = vi.fn(() => new Promise<void>((done) => (answer = done)))
    scope.run(() => useAgain(load, 1000))
    await vi.advanceTimersByTimeAsync(5000)
    expect(load).toHaveBeenCalledTimes(1)
    answer()
    await vi.advanceTimersByTimeAsync(1000)
    expect(load).toHaveBeenCalledTimes(2)
    scope.stop()
    answer()
    await vi.advanceTimersByTimeAsync(5000)
    expect(load).toHaveBeenCalledTimes(2)
  })
})
