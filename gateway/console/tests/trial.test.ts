import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'
import type { RuleTried, Trial, TrialListed, TrialResult } from '../src/api/detection'
import { caveats, length, moment, watchedThroughout } from '../src/domain/trial'
import { MOST_FAILURES, useTrial } from '../src/live/trial'

const NAMES = { preset: null, asked_by: '张三', began_at: '2026-11-27T12:00:00Z', zh: '', en: '' }
const running = (id: string, camera_code: string | null = 'here'): TrialListed => ({ id, state: 'running', progress: 7, camera_code, ...NAMES })
const done = (id: string): Trial => ({ ...running(id), state: 'done', result: null })

describe('a trial that is followed', () => {
  let scope: EffectScope
  let listed: TrialListed[]
  /** Answers to questions about one trial; a number is a failure of that status, 0: no answer at all. */
  let told: () => Trial | number
  let asked: string[]

  beforeEach(() => {
    vi.useFakeTimers()
    scope = effectScope()
    listed = []
    asked = []
    vi.stubGlobal('fetch', (path: string, ask: RequestInit) => {
      asked.push(`${ask.method} ${path.replace('/api/v1', '')}`)
      if (path.endsWith('/trials')) return Promise.resolve(new Response(JSON.stringify(listed)))
      const answer = path.endsWith('/stop') ? done('x') : told()
      if (answer === 0) return Promise.reject(new TypeError('failed to fetch'))
      if (typeof answer === 'number') return Promise.resolve(new Response('{}', { status: answer }))
      return Promise.resolve(new Response(JSON.stringify(answer)))
    })
  })
  afterEach(() => {
    scope.stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const shown = async (): Promise<ReturnType<typeof useTrial>> => {
    const found = scope.run(() => useTrial(() => 'here'))!
    await vi.advanceTimersByTimeAsync(0)
    return found
  }
  const begun = (id: string): (() => Promise<Trial>) => () => Promise.resolve({ ...running(id), result: null })

  it('is asked about again after an answer was lost, and says meanwhile what is wrong', async () => {
    const one = await shown()
    told = () => 0
    await one.begin(begun('a'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect([one.problem.value?.reason, one.trial.value?.state, one.busy.value]).toEqual(['gateway_unreachable', 'running', true])
    told = () => done('a')
    await vi.advanceTimersByTimeAsync(10_000)
    expect([one.problem.value, one.trial.value?.state, one.busy.value]).toEqual([null, 'done', false])
  })

  it('is given up after some minutes without an answer, and found again once there is one', async () => {
    const one = await shown()
    told = () => 503
    await one.begin(begun('a'))
    await vi.advanceTimersByTimeAsync(600_000)
    const questions = asked.filter((path) => path === 'GET /trials/a').length
    expect([questions, one.busy.value, one.problem.value?.status]).toEqual([MOST_FAILURES, false, 503])
    told = () => ({ ...running('a'), result: null })
    listed = [running('a')]
    await vi.advanceTimersByTimeAsync(5_000)
    expect([one.busy.value, one.problem.value]).toEqual([true, null])
  })

  it('is over once the gateway knows it no more', async () => {
    const one = await shown()
    told = () => 404
    await one.begin(begun('a'))
    await vi.advanceTimersByTimeAsync(2_000)
    expect([one.trial.value, one.busy.value, one.problem.value?.status]).toEqual([null, false, 404])
  })

  it('is picked up by whoever opens the page of its camera while it runs', async () => {
    listed = [running('b')]
    told = () => ({ ...running('b'), progress: 9, result: null })
    const one = await shown()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([one.trial.value?.id, one.trial.value?.progress, one.elsewhere.value]).toEqual(['b', 9, null])
  })

  it('is shown again with its result by whoever comes back to its camera, until another is begun', async () => {
    listed = [{ ...running('d', 'there'), state: 'done' }, { ...running('c'), state: 'done' }, { ...running('b'), state: 'done' }]
    told = () => done('c')
    const one = await shown()
    expect([one.trial.value?.id, one.trial.value?.state, one.busy.value]).toEqual(['c', 'done', false])
    await one.begin(() => Promise.reject(new Error('refused')))
    await vi.advanceTimersByTimeAsync(20_000)
    expect([one.trial.value, one.problem.value === null]).toEqual([null, false])
  })

  it('of another camera is told beside the last one of this camera', async () => {
    listed = [running('d', 'there'), { ...running('c'), state: 'done' }]
    told = () => done('c')
    const one = await shown()
    expect([one.trial.value?.id, one.elsewhere.value?.id]).toEqual(['c', 'd'])
  })

  it('that was begun by somebody and ended while its page was open is not put in anybody’s way', async () => {
    const one = await shown()
    listed = [{ ...running('c'), state: 'done' }]
    await vi.advanceTimersByTimeAsync(20_000)
    expect(one.trial.value).toBeNull()
  })

  it('of another camera is told before a film is brought, and can be followed or stopped', async () => {
    listed = [running('c', 'there')]
    told = () => done('c')
    const one = await shown()
    const bring = vi.fn(begun('a'))
    await one.begin(bring)
    expect([bring.mock.calls.length, one.elsewhere.value?.id, one.trial.value, one.busy.value]).toEqual([0, 'c', null, false])
    listed = []
    await one.stop('c')
    expect(asked).toContain('POST /trials/c/stop')
    expect(one.elsewhere.value).toBeNull()
    await one.begin(bring)
    expect(bring).toHaveBeenCalledOnce()
  })

  it('of another camera is no reason to put the result away that is being read', async () => {
    const one = await shown()
    told = () => done('a')
    await one.begin(begun('a'))
    await vi.advanceTimersByTimeAsync(2_000)
    listed = [running('b')]
    await vi.advanceTimersByTimeAsync(6_000)
    expect([one.trial.value?.id, one.elsewhere.value?.id]).toEqual(['a', 'b'])
  })
})

describe('what silence of a rule means', () => {
  const rule: RuleTried = { hazard: 'fire', zone: '桥下', off: false, off_hours_seconds: 0, needs_seconds: 3, blind: false, unasked_seconds: 0 }
  const result = (...rules: RuleTried[]): TrialResult => ({
    starts_at: 0, seconds: 60, looks: 9, unseen_seconds: 0, frozen_seconds: 0, other_view_seconds: 0, cut: false, log_from: null, rejections: null, rules, unusable: [], alerts: [], timeline: [],
  })
  const t = (key: string, values?: Record<string, string | number>): string => key.replace('trial.', '') + (values ? JSON.stringify(values) : '')

  it('is something only where every rule watched all the time', () => {
    expect(watchedThroughout(result(rule, { ...rule, off: true }))).toBe(true)
    expect(watchedThroughout(result(rule, { ...rule, off_hours_seconds: 1 }))).toBe(false)
    expect(watchedThroughout(result({ ...rule, blind: true }))).toBe(false)
    expect(watchedThroughout(result({ ...rule, needs_seconds: 300 }))).toBe(false)
    expect(watchedThroughout(result({ ...rule, unasked_seconds: 2 }))).toBe(false)
    expect(watchedThroughout({ ...result(rule), unseen_seconds: 16 })).toBe(false)
    expect(watchedThroughout({ ...result(rule), unusable: [{ hazard: 'crowd', zone: '门口', zh: '人数不应小于 2', en: 'too few' }] })).toBe(false)
    expect(watchedThroughout({ ...result(rule), frozen_seconds: 8 })).toBe(false)
    expect(watchedThroughout({ ...result(rule), other_view_seconds: 8 })).toBe(false)
    expect(watchedThroughout(result())).toBe(false)
    expect(watchedThroughout({ ...result(rule), looks: 0 })).toBe(false)
  })

  it('is dated by seconds where there are few, and by the clock where there are hours', () => {
    const began = Date.parse('2026-11-27T01:00:00+08:00')
    const of = (seconds: number): TrialResult => ({ ...result(rule), starts_at: began / 1000, seconds })
    expect([moment(of(60), 7.25, began, t), length(60, t)]).toEqual(['second{"at":"7.3"}', 'seconds{"seconds":60}'])
    expect([moment(of(7200), 3723, began, t), length(7200, t)]).toEqual(['02:02:03', '2:00:00'])
  })

  it('is told rule by rule', () => {
    expect(caveats(rule, 60, t)).toEqual([])
    expect(caveats({ ...rule, off: true, blind: true }, 60, t)).toEqual(['off', 'blind'])
    expect(caveats({ ...rule, needs_seconds: 300 }, 60, t)).toEqual(['tooShort{"needs":300}'])
    expect(caveats({ ...rule, off_hours_seconds: 59.8 }, 60.2, t)).toEqual(['offHoursAll'])
    expect(caveats({ ...rule, hazard: 'crowd', unasked_seconds: 30 }, 60, t)).toEqual(['uncounted{"length":"seconds{\\"seconds\\":30}"}'])
    expect(caveats({ ...rule, hazard: 'stall', unasked_seconds: 3600 }, 7200, t)).toEqual(['unsearched{"length":"1:00:00"}'])
    expect(caveats({ ...rule, off_hours_seconds: 0.3 }, 60, t)).toEqual(['offHours{"outside":1,"seconds":60}'])
  })
})
