import { afterEach, expect, it, vi } from 'vitest'
import { fetchJson } from '../src/api/http'
import { currentUser, signIn, signOut } from '../src/session/session'

afterEach(() => vi.unstubAllGlobals())

it('whoever signs in while a sign-out is on its way does so after it, and stays signed in', async () => {
  let signedOut: (answer: Response) => void = () => undefined
  const asked: string[] = []
  vi.stubGlobal('fetch', (_path: string, ask: RequestInit) => {
    asked.push(String(ask.method))
    if (ask.method === 'DELETE') return new Promise<Response>((done) => (signedOut = done))
    if (ask.method !== 'POST') return Promise.resolve(new Response('{}', { status: 401 }))
    const { username } = JSON.parse(String(ask.body)) as { username: string }
    const session = { user: { username, roles: [] }, csrf_token: `of ${username}`, expires_at: '' }
    return Promise.resolve(new Response(JSON.stringify(session), { status: 200 }))
  })
  await signIn('officer', 'x')
  const leaving = signOut()
  await expect(fetchJson('/alerts')).rejects.toMatchObject({ status: 401 })
  expect(currentUser.value).toBeNull()
  const entering = signIn('leader', 'x')
  await new Promise((done) => setTimeout(done))
  expect(asked).toEqual(['POST', 'DELETE', 'GET'])
  signedOut(new Response(null, { status: 204 }))
  await Promise.all([leaving, entering])
  expect(currentUser.value?.username).toBe('leader')
})
