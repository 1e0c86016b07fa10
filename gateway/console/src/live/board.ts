// The frozen pictures of a room, kept up with what everybody draws.
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { draw, listPictures } from '../api/board'
import { drawnOn, type Drawn, type FrozenPicture, type Stroke } from '../domain/board'
import type { RoomEntry } from '../domain/room'
import { onResync, onTopic } from './stream'

export function useBoard(room: string) {
  const pictures = shallowRef<readonly FrozenPicture[]>([])
  const openId = ref<string | null>(null)
  const open = computed(() => pictures.value.find((one) => one.id === openId.value) ?? null)

  function put(picture: FrozenPicture): void {
    const known = pictures.value.find((one) => one.id === picture.id)
    if (known === undefined) pictures.value = [...pictures.value, picture]
    else if (known.strokes.length <= picture.strokes.length)
      pictures.value = pictures.value.map((one) => (one.id === picture.id ? picture : one))
  }

  async function load(): Promise<void> {
    for (const picture of await listPictures(room).catch(() => [])) put(picture)
  }

  async function add(picture: string, strokes: Stroke[]): Promise<void> {
    put(await draw(room, picture, strokes))
  }

  /** Opened by themselves, once each: what was closed since stays closed. */
  const shown = new Set<string>()

  /** Somebody froze a picture: it is shown to everybody. */
  function show(id: string): void {
    if (shown.has(id)) return
    shown.add(id)
    openId.value = id
  }

  async function frozenByAny(id: string): Promise<void> {
    show(id)
    await load()
  }

  function drawn(data: Drawn): void {
    const known = pictures.value.find((one) => one.id === data.picture_id)
    const with_it = known === undefined ? null : drawnOn(known, data)
    if (with_it === null) void load()
    else put(with_it)
  }

  const stops = [
    onTopic('room.said', (record) => {
      const entry = record as RoomEntry
      if (entry.room_id !== room) return
      if (entry.kind === 'picture') void frozenByAny(String(entry.data.picture_id))
      if (entry.kind === 'drawn') drawn(entry.data as unknown as Drawn)
    }),
    onResync(() => void load()),
  ]
  onScopeDispose(() => stops.forEach((stop) => stop()))
  void load()
  return { pictures, open, openId, put, show, add }
}
