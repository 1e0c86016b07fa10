import { describe, expect, it } from 'vitest'
import { cameraShape, connectFailed, degrees, matches, toneOf, underwatched, unrecorded, watchable, type Camera } from '../src/domain/camera'
import { withRecord } from '../src/live/records'

function camera(change: Partial<Camera> = {}, state = 'live'): Camera {
  const health = { state, reason: '', detail: '', detail_en: '', since: '2030-01-07T09:00:00Z' }
  return {
    id: '1', code: '99000000081322000001', name: '测试路口东', vendor: 'Virtual', model: 'V1', firmware: '', serial: '',
    onvif_address: null, stream_host: '127.0.0.1:554', platform: 'hub', industry: '08', network: '2', grid: null,
    lng: 120.5, lat: 30.25, address: '测试路', status: 'in_use', health, encoding: 'H264', width: 640, height: 360,
    fps: 25, gop: 50, clock_offset: 0, note: '', notices: [], own_rules: false, profiles: [],
    sub_stream: false, offers: [], credential_set: null, clear_login: false, device_events: false, preset: null,
    description: {
      owner_unit: '', division: '', structure: '', position_type: '', room_type: '', use_type: '', fill_light: '',
      bearing: null, confidentiality: '',
    },
    registered_at: '2030-01-07T09:00:00Z',
    changed_at: '2030-01-07T09:00:00Z', revision: 1, ...change,
  }
}

describe('the state of a camera', () => {
  it.each([
    ['live', 'good'],
    ['connecting', 'waiting'],
    ['dark', 'warn'],
    ['stalled', 'bad'],
    ['offline', 'bad'],
    ['auth_failed', 'bad'],
  ])('%s is shown as %s', (state, tone) => {
    expect(toneOf(camera({}, state))).toBe(tone)
  })

  it('tells a camera that waits from one that could not be connected', () => {
    const waiting = camera({ status: 'awaiting' }, 'offline')
    const failed = { ...waiting, health: { ...waiting.health, reason: 'connect.auth_failed' } }
    expect([waiting, failed].map(connectFailed)).toEqual([false, true])
    expect([waiting, failed].map(toneOf)).toEqual(['quiet', 'bad'])
  })

  it('is not well where nobody looks at its pictures, or too seldom', () => {
    const live = camera({}, 'live')
    for (const reason of [
      ...['looks_left_out', 'looks_too_rare', 'rate_unmet'],
      ...['pictures_unreadable', 'looks_failed', 'rule_unusable'],
    ]) {
      const behind = { ...live, health: { ...live.health, reason } }
      expect([toneOf(behind), underwatched(behind)]).toEqual(['warn', true])
      expect(underwatched({ ...behind, status: 'stopped' })).toBe(false)
    }
    expect(underwatched({ ...live, health: { ...live.health, reason: 'patrolling' } })).toBe(false)
  })

  it('is looked at, and not well, where the disk takes no evidence of it', () => {
    const live = camera({}, 'live')
    const full = { ...live, health: { ...live.health, reason: 'evidence_unwritten' } }
    expect([toneOf(full), unrecorded(full), underwatched(full)]).toEqual(['warn', true, false])
    expect([unrecorded(live), unrecorded({ ...full, status: 'stopped' })]).toEqual([false, false])
  })

  it('says nothing of a camera that is stopped', () => {
    expect(toneOf(camera({ status: 'stopped' }, 'offline'))).toBe('quiet')
  })

  it('keeps nobody from a picture that is only bad', () => {
    expect(watchable(camera({}, 'dark'))).toBe(true)
    expect(watchable(camera({}, 'offline'))).toBe(false)
    expect(watchable(camera({ status: 'stopped' }))).toBe(false)
  })
})

describe('the list of cameras', () => {
  it('is ordered by code, and gives way only to what is newer', () => {
    const shape = cameraShape(10)
    const second = camera({ code: '99000000081322000002', revision: 5 })
    const list = withRecord(shape, withRecord(shape, [], second), camera())
    expect(list.map((one) => one.code.slice(-1))).toEqual(['1', '2'])
    const older = withRecord(shape, list, { ...second, name: 'old', revision: 4 })
    expect(older[1]?.name).toBe('测试路口东')
  })

  it('is searched as the gateway searches', () => {
    expect(matches(camera(), ' virtual ')).toBe(true)
    expect(matches(camera(), '0001')).toBe(true)
    expect(matches(camera(), '西门')).toBe(false)
  })
})

describe('a coordinate', () => {
  it.each([
    ['120.5', 180, 120.5],
    [' -30 ', 90, -30],
    ['91', 90, null],
    ['180.1', 180, null],
    ['12,5', 180, null],
    ['', 90, null],
    ['1e2', 180, null],
  ] as const)('%j within %d is %j', (text, most, value) => {
    expect(degrees(text, most)).toBe(value)
  })
})
