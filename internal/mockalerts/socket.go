package mockalerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sockets are the connections of Slack's Socket Mode.
type sockets struct {
	mu      sync.Mutex
	tickets map[string]bool // not used yet
	conn    *websocket.Conn // the newest
	next    int
	acks    map[string]chan struct{} // by envelope
}

const (
	socketPath   = "socket"
	socketPing   = time.Second
	socketAnswer = 3 * time.Second // Slack tells the member of a failure after that
)

// openSocket answers apps.connections.open with an address that is good for one connection.
func (s *Server) openSocket(w http.ResponseWriter, r *http.Request) {
	if s.SlackAppToken == "" || r.Header.Get("Authorization") != "Bearer "+s.SlackAppToken {
		answer(w, http.StatusOK, object{"ok": false, "error": "invalid_auth"})
		return
	}
	k := &s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	ticket := fmt.Sprint("ticket-", k.next)
	if k.tickets == nil {
		k.tickets, k.acks = map[string]bool{}, map[string]chan struct{}{}
	}
	k.tickets[ticket] = true
	answer(w, http.StatusOK, object{"ok": true, "url": "ws://" + r.Host + "/slack/" + socketPath + "?ticket=" + ticket})
}

// socket is one connection: a hello, pings, and the client's confirmations.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	k, ticket := &s.sockets, r.URL.Query().Get("ticket")
	k.mu.Lock()
	known := k.tickets[ticket]
	delete(k.tickets, ticket)
	k.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if conn.WriteJSON(object{"type": "hello", "num_connections": 1}) != nil {
		return
	}
	k.mu.Lock()
	k.conn = conn
	k.mu.Unlock()
	done := make(chan struct{})
	defer close(done)
	go ping(conn, done)
	for {
		var said struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&said) != nil {
			break
		}
		k.confirm(said.EnvelopeID)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn == conn {
		k.conn = nil
	}
}

func ping(conn *websocket.Conn, done chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(socketPing):
			_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		}
	}
}

func (k *sockets) confirm(envelope string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ack := k.acks[envelope]; ack != nil {
		close(ack)
		delete(k.acks, envelope)
	}
}

// Interact brings a payload of Slack's interactivity over the connection, and waits until the client has confirmed it.
func (s *Server) Interact(payload string) error {
	k := &s.sockets
	k.mu.Lock()
	if k.conn == nil {
		k.mu.Unlock()
		return errors.New("nobody is connected")
	}
	k.next++
	id, ack := fmt.Sprint("envelope-", k.next), make(chan struct{})
	k.acks[id] = ack
	err := k.conn.WriteJSON(object{"envelope_id": id, "type": "interactive", "accepts_response_payload": true, "payload": json.RawMessage(payload)})
	k.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-ack:
		return nil
	case <-time.After(socketAnswer):
		return errors.New("not confirmed")
	}
}

// Refresh asks the client to connect anew, as Slack does every few hours, and closes the connection.
func (s *Server) Refresh() {
	k := &s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		_ = k.conn.WriteJSON(object{"type": "disconnect", "reason": "refresh_requested"})
		_ = k.conn.Close()
		k.conn = nil
	}
}

// Connected tells whether a client listens.
func (s *Server) Connected() bool {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	return s.sockets.conn != nil
}
