import { afterEach, describe, expect, it, vi } from 'vitest'
import { fetchJson, setCsrfToken, whenSessionEnds } from '../src/api/http'

const refused = (): Response => new Response('{}', { status: 401 })

describe('a session that the gateway knows no more', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    setCsrfToken('')
  })

  it('is ended by the refusal of what was asked under it, not by a late one of the session before', async () => {
    const ended = vi.fn()
    whenSessionEnds(ended)
    let answer: (late: Response) => void = () => undefined
    vi.stubGlobal('fetch', () => new Promise<Response>((done) => (answer = done)))
    setCsrfToken('of the officer')
    const asked = fetchJson('/alerts')
    setCsrfToken('of the leader')
    answer(refused())
    await expect(asked).rejects.toMatchObject({ status: 401 })
    expect(ended).not.toHaveBeenCalled()

    vi.stubGlobal('fetch', () => Promise.resolve(refused()))
    await expect(fetchJson('/alerts')).rejects.toMatchObject({ status: 401 })
    expect(ended).toHaveBeenCalledTimes(1)
  })
})
