import { beforeEach, describe, expect, it } from 'vitest'
import { clockTime, countdown, secondsUntil } from '../src/domain/times'
import { forgetServerClock, noteServerDate, serverNow } from '../src/live/server_clock'

const AT = Date.parse('2030-01-07T09:00:00Z')

describe('the gateway’s clock', () => {
  beforeEach(forgetServerClock)

  it('is this machine’s until the gateway has answered', () => {
    expect(serverNow(AT)).toBe(AT)
    noteServerDate(null, AT)
    noteServerDate('no date', AT)
    expect(serverNow(AT)).toBe(AT)
  })

  it('is followed when this machine is minutes off', () => {
    noteServerDate('Mon, 07 Jan 2030 09:03:00 GMT', AT)
    expect(serverNow(AT + 1000)).toBe(AT + 181_500)
  })

  it('does not jump with the grain of the header', () => {
    noteServerDate('Mon, 07 Jan 2030 09:03:00 GMT', AT)
    const before = serverNow(AT + 5000)
    noteServerDate('Mon, 07 Jan 2030 09:03:04 GMT', AT + 4900)
    expect(serverNow(AT + 5000)).toBe(before)
    noteServerDate('Mon, 07 Jan 2030 09:00:05 GMT', AT + 5000)
    expect(serverNow(AT + 5000)).toBe(AT + 5000)
  })
})

describe('a countdown', () => {
  it.each([
    [0, '0:00'],
    [-3, '0:00'],
    [7, '0:07'],
    [59.9, '0:59'],
    [750, '12:30'],
    [7500, '2:05:00'],
  ])('of %d s reads %s', (seconds, words) => expect(countdown(seconds)).toBe(words))

  it('reaches 0 only when the window is over', () => {
    expect(secondsUntil('2030-01-07T09:01:00Z', AT)).toBe(60)
    expect(secondsUntil('2030-01-07T09:00:00.001Z', AT)).toBe(1)
    expect(secondsUntil('2030-01-07T09:00:00Z', AT)).toBe(0)
    expect(secondsUntil('2030-01-07T08:59:50Z', AT)).toBe(-10)
  })
})

describe('a time of day', () => {
  const now = Date.parse('2030-01-07T04:00:00Z')

  it('is that of Asia/Shanghai, wherever the machine thinks it is', () => {
    expect(clockTime('2030-01-07T01:05:07Z', now)).toBe('09:05:07')
    expect(clockTime('2030-01-06T16:00:00Z', now)).toBe('00:00:00')
  })

  it('has the day before it only where that is another', () => {
    expect(clockTime('2030-01-06T01:05:07Z', now)).toBe('01-06 09:05:07')
    expect(clockTime('2029-12-31T01:05:07Z', now)).toBe('2029-12-31 09:05:07')
    expect(clockTime('2029-12-31T16:05:07Z', now)).toBe('01-01 00:05:07')
  })

  it('that is none is shown as it came', () => expect(clockTime('soon', now)).toBe('soon'))
})
