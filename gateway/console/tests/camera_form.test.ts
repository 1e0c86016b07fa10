import { describe, expect, it } from 'vitest'
import type { Camera } from '../src/domain/camera'
import { askedOf, blank, faults, isRange, portsOf, targetsOf, typedOf } from '../src/domain/camera_form'

const before = {
  code: '99000000081322000001', name: '东门', onvif_address: 'http://127.0.0.1/onvif', lng: 120.5, lat: 30.25,
  address: '测试路', note: '', revision: 7, clear_login: false,
  description: {
    owner_unit: '测试单位', division: '', structure: '1', position_type: '', room_type: '', use_type: '', fill_light: '',
    bearing: 90, confidentiality: '',
  },
} as Camera
const typed = { ...blank(), reached: ' 127.0.0.1:80 ', username: 'viewer', password: ' p ', name: ' 东门 ', lng: '120.5', lat: '30.25' }

describe('registering a camera', () => {
  it('needs an address, a name and a place on the globe', () => {
    expect(faults(blank())).toEqual({ reached: 'needed', name: 'needed', lng: 'lngWrong', lat: 'latWrong' })
    expect(faults(typed)).toEqual({})
  })

  it('asks with one address, and leaves the password as it was typed', () => {
    expect(askedOf(typed, null)).toEqual({
      onvif_address: '127.0.0.1:80', username: 'viewer', password: ' p ', name: '东门', lng: 120.5, lat: 30.25,
      address: '', note: '',
    })
    expect(askedOf({ ...typed, kind: 'rtsp' }, null)).not.toHaveProperty('onvif_address')
  })
})

describe('changing a camera', () => {
  it('sends only what is different, and the revision it was read at', () => {
    expect(askedOf(typedOf(before), before)).toEqual({ revision: 7 })
    expect(askedOf({ ...typedOf(before), name: '西门' }, before)).toEqual({ name: '西门', revision: 7 })
  })

  it('sends of the descriptive record what is different, and what became unknown', () => {
    const typed = typedOf(before)
    typed.description = { ...typed.description, structure: '', bearing: ' 270.5 ', division: '990000' }
    expect(askedOf(typed, before)).toEqual({
      description: { structure: '', bearing: 270.5, division: '990000' }, revision: 7,
    })
    expect(faults({ ...typed, description: { ...typed.description, bearing: '360', division: '12345' } })).toEqual({
      bearing: 'bearingWrong', division: 'divisionWrong',
    })
  })

  it('allows a readable password only where that was chosen', () => {
    expect(askedOf({ ...typedOf(before), clearLogin: true }, before)).toEqual({ clear_login: true, revision: 7 })
    expect(askedOf(typedOf({ ...before, clear_login: true }), { ...before, clear_login: true })).toEqual({ revision: 7 })
  })

  it('leaves a camera without a place where it is', () => {
    const nowhere = { ...before, lng: null, lat: null }
    expect(faults(typedOf(nowhere), nowhere)).toEqual({})
    expect(askedOf({ ...typedOf(nowhere), name: '西门' }, nowhere)).toEqual({ name: '西门', revision: 7 })
    expect(faults({ ...typedOf(nowhere), lng: '120' }, nowhere)).toEqual({ lat: 'latWrong' })
  })

  it('sends both coordinates where one has changed', () => {
    expect(askedOf({ ...typedOf(before), lat: '30.26' }, before)).toEqual({ lng: 120.5, lat: 30.26, revision: 7 })
  })

  it('sends address and login only when asked to', () => {
    const other = { ...typedOf(before), readdress: true, username: 'viewer', password: 'p' }
    const reached = { onvif_address: 'http://127.0.0.1/onvif', username: 'viewer', password: 'p', revision: 7 }
    expect(askedOf(other, before)).toEqual(reached)
    expect(faults({ ...other, reached: ' ' })).toEqual({ reached: 'needed' })
  })
})

it('reads the addresses to search at, however they are parted', () => {
  expect(targetsOf(' 127.0.0.1:80，camera.test ;a ')).toEqual(['127.0.0.1:80', 'camera.test', 'a'])
  expect(targetsOf('')).toEqual([])
})

describe('searching in ranges', () => {
  it('tells a range from a host', () => {
    expect(['10.0.0.0/24', '10.0.0.5-10.0.0.9', '10.0.0.5-9', 'fd00::/120'].every(isRange)).toBe(true)
    expect(['10.0.0.5', 'cam-7', 'cam-7:80', '10.0.0.5:3702', ''].some(isRange)).toBe(false)
  })

  it('leaves out what is no port', () => {
    expect(portsOf('80, 8080，80 0 70000 x')).toEqual([80, 8080])
  })
})
