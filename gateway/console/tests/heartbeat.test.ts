import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Heartbeat } from '../src/media/heartbeat'

const GONE = new Error('gone')

describe('the heartbeat of a member', () => {
  let answer: () => Promise<void>
  const beat = vi.fn(() => answer())
  const missed = vi.fn()
  const heard = vi.fn()
  const gone = vi.fn()
  let heart: Heartbeat

  beforeEach(() => {
    vi.useFakeTimers()
    vi.clearAllMocks()
    answer = () => Promise.resolve()
    heart = new Heartbeat({ beat, isGone: (error) => error === GONE, missed, heard, gone }, Date.now(), () => Date.now())
  })
  afterEach(() => {
    heart.stop()
    vi.useRealTimers()
  })

  it('beats every two seconds', async () => {
    await vi.advanceTimersByTimeAsync(10_000)
    expect(beat).toHaveBeenCalledTimes(5)
    expect(heart.silent).toBe(false)
  })

  it('repeats a missed beat at once and says so after three, and again when it is heard', async () => {
    answer = () => Promise.reject(new Error('no network'))
    await vi.advanceTimersByTimeAsync(2_000)
    expect(missed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(800)
    expect(beat).toHaveBeenCalledTimes(3)
    expect(missed).toHaveBeenCalledTimes(1)
    answer = () => Promise.resolve()
    await vi.advanceTimersByTimeAsync(500)
    expect(heard).toHaveBeenCalledTimes(1)
    expect(missed).toHaveBeenCalledTimes(1)
  })

  it('ends when the member is gone and tells a removal from a silence', async () => {
    await vi.advanceTimersByTimeAsync(2_000)
    answer = () => Promise.reject(GONE)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(gone).toHaveBeenCalledWith(false)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(beat).toHaveBeenCalledTimes(2)
  })

  it('was silent where the gateway heard it long before its answer came', async () => {
    answer = () => new Promise((done) => setTimeout(done, 1_500))
    await vi.advanceTimersByTimeAsync(3_500)
    answer = () => new Promise((_, fail) => setTimeout(() => fail(GONE), 1_600))
    await vi.advanceTimersByTimeAsync(3_600)
    expect(gone).toHaveBeenCalledWith(true)
  })

  it('knows that it was silent for too long', async () => {
    answer = () => Promise.reject(new Error('no network'))
    await vi.advanceTimersByTimeAsync(7_000)
    answer = () => Promise.reject(GONE)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(gone).toHaveBeenCalledWith(true)
  })
})
