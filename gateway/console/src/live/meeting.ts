// This browser as a member of a room: joining, its own picture and sound, the heartbeat, coming back, leaving.
import { onScopeDispose, readonly, ref, shallowRef, watch, type Ref } from 'vue'
import { asProblem, type Problem } from '../api/problem'
import { heartbeat, joinRoom, removeMember, whipPath } from '../api/rooms'
import type { Room } from '../domain/room'
import { waitBefore } from '../media/backoff'
import { closeDevices, openDevices } from '../media/devices'
import { Heartbeat, type Beating } from '../media/heartbeat'
import type { Line, Phase } from '../media/line'
import { isLasting } from '../media/signalling'
import { publish } from '../media/whip'

/** Between two tries to be back: a consultation goes on meanwhile. */
const MOST_WAIT_MS = 1_000

/** `away`: the gateway does not hear us; `rejoining`: it counted us out for that; `removed`: another took us out. */
export type Standing = 'out' | 'joining' | 'in' | 'away' | 'rejoining' | 'removed'

export function useMeeting(id: string, room: Readonly<Ref<Room | null>>) {
  const standing = ref<Standing>('out')
  const me = ref<string | null>(null)
  const media = shallowRef<MediaStream | null>(null)
  /** Names the word for what is not sent and why. */
  const note = ref<string | null>(null)
  const sending = ref<Phase | null>(null)
  const problem = shallowRef<Problem | null>(null)
  let heart: Heartbeat | null = null
  let line: Line | null = null
  let again: ReturnType<typeof setTimeout> | undefined
  let seen = false
  /** Raised by whatever ends a membership, so that a join that still runs does not begin another. */
  let turn = 0

  async function join(withDevices: boolean): Promise<void> {
    if (standing.value !== 'out' && standing.value !== 'removed') return
    const mine = (turn += 1)
    standing.value = 'joining'
    problem.value = null
    note.value = null
    if (withDevices) {
      const opened = await openDevices()
      if (mine !== turn) return closeDevices(opened.media)
      media.value = opened.media
      for (const track of opened.media?.getTracks() ?? [])
        track.addEventListener('ended', () => (note.value = 'mediaEnded'))
      note.value = opened.note
    }
    try {
      await enter(mine)
    } catch (error) {
      if (mine !== turn) return
      end('out')
      problem.value = asProblem(error)
    }
  }

  async function enter(mine: number): Promise<void> {
    const asked = performance.now()
    const member = await joinRoom(id)
    if (mine !== turn) return void removeMember(id, member.id, true).catch(() => undefined)
    me.value = member.id
    seen = room.value?.members.some((one) => one.id === member.id) ?? false
    standing.value = 'in'
    problem.value = null
    const beating: Beating = {
      beat: () => heartbeat(id, member.id),
      isGone: (error) => [404, 409].includes(asProblem(error).status),
      missed: () => (standing.value = 'away'),
      heard: () => (standing.value = 'in'),
      gone: (silent) => (silent ? rejoin(0) : end('removed')),
    }
    heart = new Heartbeat(beating, asked)
    if (media.value === null) return
    line = publish(whipPath(id, member.id), media.value, (phase, why) => {
      sending.value = phase
      if (why !== null || phase === 'open') problem.value = why
    })
  }

  /** Anew as another member, with the devices that are open already. */
  function rejoin(failures: number): void {
    drop()
    const mine = (turn += 1)
    standing.value = 'rejoining'
    const attempt = async (): Promise<void> => {
      try {
        await enter(mine)
      } catch (error) {
        if (mine !== turn) return
        problem.value = asProblem(error)
        if (isLasting(problem.value) || problem.value.status === 404) end('removed')
        else rejoin(failures + 1)
      }
    }
    again = setTimeout(() => void attempt(), failures === 0 ? 0 : Math.min(MOST_WAIT_MS, waitBefore(failures, Math.random())))
  }

  function drop(): void {
    clearTimeout(again)
    heart?.stop()
    heart = null
    line?.close()
    line = null
    sending.value = null
    me.value = null
  }

  function end(now: 'out' | 'removed'): void {
    turn += 1
    drop()
    closeDevices(media.value)
    media.value = null
    standing.value = now
  }

  async function leave(parting = false): Promise<void> {
    // First of all, since it ends everything: a page that goes away may get no further.
    const told = me.value === null ? null : removeMember(id, me.value, parting)
    end('out')
    note.value = null
    await told?.catch(() => undefined)
  }

  // The room as told to everybody: who is not in it any more has been counted out or taken out.
  watch(room, (now) => {
    if (now === null || me.value === null) return
    if (now.members.some((one) => one.id === me.value)) seen = true
    else if (now.state === 'ended') end('out')
    else if (seen) {
      if (heart?.silent) rejoin(0)
      else end('removed')
    }
  })

  const parted = (): void => void leave(true)
  addEventListener('pagehide', parted)
  onScopeDispose(() => {
    removeEventListener('pagehide', parted)
    parted()
  })

  return {
    standing: readonly(standing), me: readonly(me), media, note: readonly(note), sending: readonly(sending), problem,
    join, leave,
  }
}
