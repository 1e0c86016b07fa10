import { describe, expect, it } from 'vitest'
import { asProblem, Problem, problemOf } from '../src/api/problem'

describe('a problem', () => {
  it('is read from the body, in both languages', () => {
    const problem = problemOf(422, { reason: 'reason_missing', detail: '须填写理由。', detail_en: 'Needed.', field: 'reason' })
    expect([problem.status, problem.reason, problem.field]).toEqual([422, 'reason_missing', 'reason'])
    expect([problem.words('zh-CN'), problem.words('en')]).toEqual(['须填写理由。', 'Needed.'])
  })

  it.each([null, 'Bad gateway', { detail: 7 }, []])('is still in words when the body is %j', (body) => {
    const problem = problemOf(502, body)
    expect(problem.reason).toBe('http_502')
    expect(problem.words('zh-CN')).toContain('502')
  })

  it('of the console itself keeps the cause', () => {
    expect(asProblem(new TypeError('x is undefined')).detailEn).toContain('x is undefined')
    const same = new Problem(0, 'a', 'b', 'c')
    expect(asProblem(same)).toBe(same)
  })
})
