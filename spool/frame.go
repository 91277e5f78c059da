package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame on disk: length of the payload (4 bytes, little-endian), CRC-32C of length and payload
// (4 bytes), payload. No marker allows a reader to find its way after damage, on purpose: a
// caller's text inside a record could imitate a frame.
const (
	frameHead  = 8
	maxPayload = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errShort = errors.New("frame is cut off")
	errFrame = errors.New("frame is damaged")
)

// seal fills in the head of a frame whose payload begins at frame[frameHead].
func seal(frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHead))
	binary.LittleEndian.PutUint32(frame[4:], checksum(frame))
}

func checksum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[frameHead:])
}

// unseal gives the first payload of b and the length of its frame. errShort means that b may be
// the beginning of a good frame.
func unseal(b []byte) (payload []byte, size int, err error) {
	if len(b) < frameHead {
		return nil, 0, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxPayload {
		return nil, 0, errFrame
	}
	size = frameHead + int(n)
	if len(b) < size {
		return nil, 0, errShort
	}
	if checksum(b[:size]) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, errFrame
	}
	return b[frameHead:size], size, nil
}
