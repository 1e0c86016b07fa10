import { createI18n } from 'vue-i18n'
import { describe, expect, it } from 'vitest'
import { boxesOf, isEmpty, lasting, limitOf, looksOf, missedOf, modelOf, outlinesOf, reasons, ruleInWords, type Why } from '../src/domain/why'
import { en, zhCN } from '../src/i18n/areas'

const said = (locale: 'zh-CN' | 'en') => createI18n({ legacy: false, locale, messages: { 'zh-CN': zhCN, en } }).global.t
const zh = said('zh-CN')
const english = said('en')

const FIRE: Why = {
  labels: ['fire', 'smoke'], box: [0.4, 0.4, 0.5, 0.6], looks: 7, looks_seen: 6, confirmed_closer: 4, looked_at_closer: 5,
  judged: 0.62, stir: 0.02, steady: false, seconds_needed: 3, rejections: [], spots: 1, missed: [12.5],
  seen: [
    { at: 10, score: 0.52, box: [0.4, 0.4, 0.5, 0.55], closer: true },
    { at: 13, score: 0.81, box: [0.4, 0.4, 0.5, 0.6], closer: false },
  ],
  rule: {
    kind: 'fire', zone: '后巷', polygon: [[0, 0], [0.5, 0], [0.5, 1]], exclusions: [[[0, 0], [0.1, 0], [0.1, 0.1]]],
    hours: [['22:00', '06:00']], min_score: 0.4, seen_seconds: 3, window_seconds: 5, steady_seconds: 12, smoke: true,
  },
  model: 'hazard_n', weights_sha256: 'ab'.repeat(32), view: '巷口',
}
const CROWD: Why = {
  people: 18, people_now: 17, threshold: 15, held_seconds: 61.2, calibrated: false, boxes: [[0, 0, 0.1, 0.2], [0.2, 0, 0.3, 0.2]],
  seen: [{ at: 1, people: 18, score: 0.7 }, { at: 3, people: 17, score: 0.7 }], rule: { people: 15, dwell_seconds: 60 },
}
const STALL: Why = {
  box: [0.1, 0.4, 0.3, 0.7], stood_seconds: 312, threshold_seconds: 300, looks: 60, looks_seen: 48, attended: true, stalls: 2,
  seen: [{ at: 5, score: 0.7 }], rule: { dwell_seconds: 300, occlusion_seconds: 20, permitted: [{ x: 0.1, y: 0.1, hours: [] }] },
}

describe('why a fire was told', () => {
  it('is said in plain words, the sightings first', () => {
    expect(reasons('fire', FIRE, 3.4, zh)).toEqual([
      '7 次观察中 6 次见到火焰和烟雾，最高置信度 81%。',
      '从初见到预警历时 3.4 秒；须累计可见 3 秒。',
      '放大近看 5 次，4 次确认。',
      '近看复核认为属实的可能性为 62%。',
      '在跳动或扩大，不像固定的灯光。',
    ])
    expect(reasons('fire', FIRE, 3.4, english)[0]).toBe('6 of 7 looks saw flames and smoke, with a score of up to 81%.')
  })

  it('says what asked for more proof', () => {
    const doubtful = { ...FIRE, steady: true, rejections: ['x'], spots: 2, looked_at_closer: 0, confirmed_closer: 0, judged: null }
    const words = reasons('fire', doubtful, null, zh)
    expect(words).toContain('既不跳动也不扩大（像灯光），因此要求更长的可见时间。')
    expect(words).toContain('与值班员否定过的相似，因此要求三倍的可见时间。')
    expect(words).toContain('未能放大近看。')
    expect(words.join('')).not.toMatch(/历时|可能性/)
  })

  it('has its looks in time, those that missed it, and its boxes', () => {
    expect(looksOf('fire', FIRE)).toEqual([{ at: 10, value: 0.52, closer: true }, { at: 13, value: 0.81, closer: false }])
    expect(missedOf(FIRE)).toEqual([12.5])
    expect(boxesOf(FIRE)).toEqual({ last: [[0.4, 0.4, 0.5, 0.6]], before: [[0.4, 0.4, 0.5, 0.55]] })
    expect(outlinesOf(FIRE).zone).toHaveLength(3)
    expect(outlinesOf(FIRE).exclusions).toHaveLength(1)
    expect(modelOf(FIRE)).toEqual({ name: 'hazard_n', sha256: 'ab'.repeat(32) })
  })

  it('tells the rule as it was', () => {
    expect(ruleInWords('fire', FIRE, zh)).toEqual([
      '5 秒内累计可见 3 秒', '不跳动的须可见 12 秒', '置信度不低于 40%', '区域“后巷”', '排除 1 处', '22:00–06:00', '预置位 巷口',
    ])
    expect(limitOf('fire', FIRE)).toBe(0.4)
    expect(limitOf('fire', { rule: { min_score: 0 } })).toBeNull()
  })
})

describe('why a crowd and a stall were told', () => {
  it('is said with the numbers that the rule went by', () => {
    expect(reasons('crowd', CROWD, 62, zh)).toEqual([
      '数到 18 人，规则为 15 人。', '已持续 61.2 秒，规则为 60 秒。', '未标定地面：计入区域内的所有人。',
    ])
    expect(looksOf('crowd', CROWD).map((one) => one.value)).toEqual([18, 17])
    expect(limitOf('crowd', CROWD)).toBe(15)
    expect(boxesOf(CROWD).last).toHaveLength(2)
    expect(reasons('stall', STALL, 312, zh)).toEqual([
      '在同一位置停留 5 分 12 秒，规则为 5 分钟。', '60 次观察中 48 次见到，最高置信度 70%。', '旁边有人。', '区域内共 2 处。',
    ])
    expect(ruleInWords('stall', STALL, english)).toEqual(['stands for 5 min, may be hidden for 20 s', 'permitted points: 1'])
  })

  it('writes lengths as they are said', () => {
    expect([0.04, 12.34, 99.9, 120, 3725].map((one) => lasting(one, zh))).toEqual([
      '0 秒', '12.3 秒', '99.9 秒', '2 分钟', '62 分 5 秒',
    ])
  })
})

describe('an alert of an older gateway, or a damaged one', () => {
  it('says only what it knows', () => {
    for (const hazard of ['fire', 'crowd', 'stall', 'flood']) {
      expect(isEmpty(hazard, {})).toBe(true)
      expect(ruleInWords(hazard, {}, zh)).toEqual([])
    }
    expect(reasons('fire', { looks: 4, looks_seen: 3 }, 3, zh)).toEqual([])
    expect(reasons('fire', { ...FIRE, judged: undefined, seconds_needed: null }, 3, zh)).toHaveLength(3)
    expect(reasons('crowd', { people: 18, threshold: 15 }, 3, zh)).toEqual(['数到 18 人，规则为 15 人。'])
    expect(isEmpty('crowd', { people: 18, threshold: 15 })).toBe(false)
  })

  it('takes nothing for what it is not', () => {
    const spoilt = {
      seen: [null, 3, { at: 'x', score: 1 }, { at: 1, score: null }], boxes: [[0, 0, 1], 'x', [0, null, 1, 1]], missed: ['x'], labels: 'fire',
      box: [0, 0, 1, 1, 1], rule: { polygon: [[0, 0], [1]], hours: [['22:00'], 'x'], exclusions: 'x' }, rejections: 'x', model: 3,
    }
    expect(looksOf('fire', spoilt)).toEqual([])
    expect(missedOf(spoilt)).toEqual([])
    expect(boxesOf(spoilt)).toEqual({ last: [], before: [] })
    expect(outlinesOf(spoilt)).toEqual({ zone: null, exclusions: [] })
    expect(reasons('fire', spoilt, null, zh)).toEqual([])
    expect(modelOf(spoilt)).toEqual({ name: '', sha256: '' })
  })
})
