import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/api/problem'

class FakePeer extends EventTarget {
  connectionState = 'new'
  closed = false
  setRemoteDescription = vi.fn(() => Promise.resolve())
  close(): void {
    this.closed = true
  }
  becomes(state: string): void {
    this.connectionState = state
    this.dispatchEvent(new Event('connectionstatechange'))
  }
}

const peers: FakePeer[] = []
const postOffer = vi.fn()
const endSession = vi.fn()
vi.mock('../src/media/signalling', async (original) => ({
  ...(await original<typeof import('../src/media/signalling')>()),
  newPeer: () => {
    const peer = new FakePeer()
    peers.push(peer)
    return peer
  },
  wholeOffer: () => Promise.resolve('offer'),
  postOffer: (...given: unknown[]) => postOffer(...given) as unknown,
  endSession: (location: string) => endSession(location) as unknown,
}))

const { Line } = await import('../src/media/line')
const last = (): FakePeer => peers.at(-1) as FakePeer
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

describe('a line', () => {
  const changed = vi.fn()
  let line: InstanceType<typeof Line>

  beforeEach(() => {
    vi.useFakeTimers()
    vi.clearAllMocks()
    peers.length = 0
    postOffer.mockImplementation(() => Promise.resolve({ sdp: 'answer', location: `/api/v1/s/${peers.length}` }))
    line = new Line('/whep', { prepare: () => undefined, changed }, () => 0)
    line.renew()
  })
  afterEach(() => {
    line.close()
    vi.useRealTimers()
  })

  it('opens, and ends its session when it is closed', async () => {
    await settled()
    last().becomes('connected')
    expect(changed).toHaveBeenLastCalledWith('open', null)
    line.close()
    expect(endSession).toHaveBeenCalledWith('/api/v1/s/1')
    expect(last().closed).toBe(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(peers).toHaveLength(1)
  })

  it('comes back after half a second, then ever later, until it is proven', async () => {
    for (const wait of [500, 1_000, 2_000]) {
      await settled()
      last().becomes('connected')
      last().becomes('failed')
      const before = peers.length
      await vi.advanceTimersByTimeAsync(wait - 1)
      expect(peers).toHaveLength(before)
      await vi.advanceTimersByTimeAsync(1)
      expect(peers).toHaveLength(before + 1)
    }
    await settled()
    last().becomes('connected')
    line.proven()
    last().becomes('failed')
    await vi.advanceTimersByTimeAsync(500)
    expect(peers).toHaveLength(5)
  })

  it('gives a broken connection three seconds to come back by itself', async () => {
    await settled()
    last().becomes('connected')
    last().becomes('disconnected')
    await vi.advanceTimersByTimeAsync(2_900)
    last().becomes('connected')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(peers).toHaveLength(1)
    last().becomes('disconnected')
    await vi.advanceTimersByTimeAsync(3_500)
    expect(peers).toHaveLength(2)
  })

  it('stops where it would be refused again, until a person tries', async () => {
    const refusal = new Problem(403, 'grant_needed', '须登记事由。', 'Register a purpose.')
    line.close()
    postOffer.mockImplementation(() => Promise.reject(refusal))
    line = new Line('/whep', { prepare: () => undefined, changed }, () => 0)
    line.renew()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(changed).toHaveBeenLastCalledWith('refused', refusal)
    expect(postOffer).toHaveBeenCalledTimes(1 + 1)
    line.renew()
    await settled()
    expect(postOffer).toHaveBeenCalledTimes(3)
  })

  it('ends a session whose answer came after it was closed', async () => {
    await settled()
    let answer: (answered: object) => void = () => undefined
    postOffer.mockImplementation(() => new Promise((done) => (answer = done)))
    line.renew()
    await settled()
    line.close()
    endSession.mockClear()
    answer({ sdp: 'answer', location: '/api/v1/s/late' })
    await settled()
    expect(endSession).toHaveBeenCalledWith('/api/v1/s/late')
  })
})
