import { describe, expect, it } from 'vitest'
import { columnsFor, inOrder, outdatedBy, sends, type Member, type Room } from '../src/domain/room'

const room = (id: string, state: Room['state'], created_at: string): Room =>
  ({ id, state, created_at, title: id, members: [] }) as unknown as Room
const member = (kind: Member['kind'], state: Member['state']): Member => ({ kind, state }) as unknown as Member

describe('rooms', () => {
  it('stand open ones first, the newest of each on top', () => {
    const rooms = [
      room('old', 'open', '2030-01-01T00:00:00Z'),
      room('past', 'ended', '2030-01-03T00:00:00Z'),
      room('new', 'open', '2030-01-02T00:00:00Z'),
    ]
    expect(inOrder(rooms).map((one) => one.id)).toEqual(['new', 'old', 'past'])
  })

  it('show who sends: every camera, and persons who publish', () => {
    expect(sends(member('camera', 'invited'))).toBe(true)
    expect(sends(member('person', 'publishing'))).toBe(true)
    expect(sends(member('person', 'silent'))).toBe(true)
    expect(sends(member('person', 'joined'))).toBe(false)
  })

  it('lay their tiles out as large as they can be', () => {
    expect([0, 1, 2, 3, 4, 5, 9, 10, 64].map(columnsFor)).toEqual([1, 1, 2, 2, 2, 3, 3, 4, 5])
  })

  it('give way to what a control answered only where it is newer than what the stream has told', () => {
    const at = (revision: number): Room => ({ revision }) as Room
    expect(outdatedBy(null, at(1))).toBe(true)
    expect(outdatedBy(at(1), at(2))).toBe(true)
    expect(outdatedBy(at(2), at(2))).toBe(false)
    expect(outdatedBy(at(3), at(2))).toBe(false)
  })
})
