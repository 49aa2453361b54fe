// Streams against servers that break, repeat, leave out and talk nonsense.

package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// startSockets hands each WebSocket to serve, with its number from 1, and ends it without a word afterwards.
func startSockets(t *testing.T, serve func(socket *websocket.Conn, number int)) *misbehaving {
	t.Helper()
	var handlers sync.WaitGroup
	server := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, number int) {
		handlers.Add(1)
		defer handlers.Done()
		socket, err := websocket.Accept(writer, request.Request, nil)
		if err != nil {
			return
		}
		defer func() { _ = socket.CloseNow() }()
		serve(socket, number)
	})
	t.Cleanup(handlers.Wait)
	return server
}

func send(socket *websocket.Conn, frames ...any) {
	for _, frame := range frames {
		data, raw := frame.(string)
		if !raw {
			data = textOf(json.Marshal(frame))
		}
		_ = socket.Write(context.Background(), websocket.MessageText, []byte(data))
	}
}

// hold keeps a socket open until the client closes it, and tells how it did.
func hold(socket *websocket.Conn) websocket.StatusCode {
	for {
		if _, _, err := socket.Read(context.Background()); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

type object = map[string]any

var soon = SubscribeOptions{ReconnectDelay: time.Millisecond, MaxReconnectDelay: 5 * time.Millisecond}

// noted collects what a subscription tells.
type noted struct {
	mu     sync.Mutex
	gaps   []Gap
	errors []error
	opened []bool
	closed []error
}

func (n *noted) options() SubscribeOptions {
	options := soon
	options.OnGap = func(gap Gap) { n.mu.Lock(); defer n.mu.Unlock(); n.gaps = append(n.gaps, gap) }
	options.OnError = func(err error) { n.mu.Lock(); defer n.mu.Unlock(); n.errors = append(n.errors, err) }
	options.OnOpen = func(again bool) { n.mu.Lock(); defer n.mu.Unlock(); n.opened = append(n.opened, again) }
	options.OnClose = func(err error) { n.mu.Lock(); defer n.mu.Unlock(); n.closed = append(n.closed, err) }
	return options
}

func (n *noted) read(read func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	read()
}

func TestAMonitoringStreamSubscribesAgainAfterABreakAndSaysWhatItMissed(t *testing.T) {
	hellos := make(chan string, 2)
	server := startSockets(t, func(socket *websocket.Conn, number int) {
		_, hello, _ := socket.Read(context.Background())
		hellos <- string(hello)
		if number > 1 {
			send(socket, object{"seq": 1, "tenant_id": "a", "metrics": object{"cpu": 1}})
			hold(socket)
			return
		}
		for _, seq := range []int{1, 2, 5} {
			send(socket, object{"seq": seq, "tenant_id": "a", "metrics": object{"cpu": seq}})
		}
	})
	var told noted
	subscription := server.client().SubscribeToMonitoring(patience(t), "a", &MonitoringSubscribeOptions{
		SubscribeOptions: told.options(), Metrics: []string{"cpu"}, Interval: 200 * time.Millisecond,
	})
	var seqs []int64
	for frame, err := range subscription.All() {
		if seqs = append(seqs, must(frame, err)(t).Seq); len(seqs) == 4 {
			break
		}
	}
	<-subscription.Done()
	equal(t, seqs, []int64{1, 2, 5, 1})
	told.read(func() {
		equal(t, told.gaps, []Gap{{GapSequence, 2, 5}, {GapReconnect, 5, 0}})
		equal(t, told.opened, []bool{false, true})
		equal(t, told.closed, []error{nil})
	})
	hello := `{"action":"subscribe","metrics":["cpu"],"interval":200}`
	equal(t, []string{<-hellos, <-hellos}, []string{hello, hello})
	equal(t, server.all()[0].URL.RequestURI(), "/ws/monitoring/a?demo_mode=true")
}

func TestAnAlertStreamResumesAfterTheNewestOpeningAndLeavesRepeatsOut(t *testing.T) {
	alert := func(seq int, id, state string, minute int) object {
		return object{"seq": seq, "alert_id": id, "state": state, "opened_at": fmt.Sprintf("2026-01-01T00:0%d:00Z", minute)}
	}
	server := startSockets(t, func(socket *websocket.Conn, number int) {
		if number == 1 {
			send(socket, alert(7, "a1", "opened", 1), alert(7, "a2", "opened", 2), alert(8, "a1", "resolved", 1))
			_ = socket.Close(websocket.StatusGoingAway, "")
			return
		}
		send(socket, alert(8, "a1", "resolved", 1), alert(9, "a3", "opened", 3))
		hold(socket)
	})
	var told noted
	client := NewClient(&Config{BaseURL: server.URL + "/api/v1", Language: "en", Token: "secret"})
	var seen []string
	for frame, err := range client.SubscribeToAlerts(patience(t), "a", &AlertSubscribeOptions{SubscribeOptions: told.options()}).All() {
		seen = append(seen, fmt.Sprint(must(frame, err)(t).Seq, frame.AlertID))
		if frame.Seq == 9 {
			break
		}
	}
	equal(t, seen, []string{"7a1", "7a2", "8a1", "9a3"})
	told.read(func() { equal(t, told.gaps, nil) })
	equal(t, server.all()[0].URL.RequestURI(), "/ws/alerts/a?demo_mode=false&lang=en")
	equal(t, server.all()[1].URL.RequestURI(), "/ws/alerts/a?demo_mode=false&lang=en&since=a2")
	equal(t, server.all()[1].Header.Get("Authorization"), "Bearer secret")
}

func TestRepeatsAreRememberedUpToALimit(t *testing.T) {
	var stream stream[AlertFrame]
	for i := range rememberedFrames + 1 {
		if !stream.isNew(fmt.Sprint(i)) {
			t.Fatal(i)
		}
	}
	equal(t, []bool{stream.isNew("1"), stream.isNew("0")}, []bool{false, true})
	equal(t, len(stream.recent), rememberedFrames)
}

func TestErrorFramesAndGarbageAreReportedAndDoNotEndAStream(t *testing.T) {
	server := startSockets(t, func(socket *websocket.Conn, _ int) {
		send(socket, "garbage", `{"tenant_id": "a"}`, `{"seq": 1, "metrics": "none"}`,
			object{"seq": 1, "error": object{"code": "INVALID_REQUEST", "message": "what?"}},
			object{"seq": 2, "action": "subscribed"},
			object{"seq": 3, "tenant_id": "a"})
		hold(socket)
	})
	var told noted
	subscription := server.client().SubscribeToMonitoring(patience(t), "a", &MonitoringSubscribeOptions{SubscribeOptions: told.options()})
	defer subscription.Close()
	equal(t, must(subscription.Next(patience(t)))(t).Seq, 3)
	var codes []string
	told.read(func() {
		for _, err := range told.errors {
			codes = append(codes, ErrorCode(err))
		}
		equal(t, told.gaps, nil)
	})
	equal(t, codes, []string{CodeInvalidResponse, CodeInvalidResponse, CodeInvalidResponse, CodeInvalidRequest})
}

func TestASlowReaderLosesTheOldestFramesAndIsTold(t *testing.T) {
	server := startSockets(t, func(socket *websocket.Conn, _ int) {
		for seq := 1; seq <= 5; seq++ {
			send(socket, object{"seq": seq, "status": "deploying"})
		}
		_ = socket.Close(websocket.StatusNormalClosure, "")
	})
	var told noted
	options := told.options()
	options.BufferSize = 2
	subscription := server.client().SubscribeToDeployment(patience(t), "dep-a", &options)
	<-subscription.Done()
	var left []int64
	for frame, err := range subscription.All() {
		left = append(left, must(frame, err)(t).Seq)
	}
	equal(t, left, []int64{4, 5})
	equal(t, []int{subscription.Received(), subscription.Dropped()}, []int{5, 3})
	told.read(func() {
		equal(t, told.gaps, []Gap{{GapOverflow, 1, 2}, {GapOverflow, 2, 3}, {GapOverflow, 3, 4}})
	})
	_, err := subscription.Next(patience(t))
	is(t, err, io.EOF)
	equal(t, subscription.Err(), nil)
}

func TestTheContextOfTheCallerEndsAStreamAndTheServerIsTold(t *testing.T) {
	status := make(chan websocket.StatusCode, 1)
	server := startSockets(t, func(socket *websocket.Conn, _ int) {
		status <- hold(socket)
	})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(patience(t))
	options := SubscribeOptions{OnOpen: func(bool) { cancel(enough) }}
	subscription := server.client().SubscribeToMonitoring(ctx, "a", &MonitoringSubscribeOptions{SubscribeOptions: options})
	_, err := subscription.Next(patience(t))
	is(t, err, enough)
	is(t, subscription.Err(), enough)
	equal(t, <-status, websocket.StatusNormalClosure)
}

func TestCloseEndsReadersAndThrowsAwayWhatWaits(t *testing.T) {
	server := startSockets(t, func(socket *websocket.Conn, _ int) {
		send(socket, object{"seq": 1}, object{"seq": 2})
		hold(socket)
	})
	subscription := server.client().SubscribeToMonitoring(patience(t), "a", nil)
	must(subscription.Next(patience(t)))(t)
	reader := make(chan error)
	go func() {
		for {
			if _, err := subscription.Next(context.Background()); err != nil {
				reader <- err
				return
			}
		}
	}()
	subscription.Close()
	is(t, <-reader, io.EOF)
	subscription.Close()
	equal(t, subscription.Err(), nil)
}

func TestAReadersOwnContextLeavesTheStreamAlone(t *testing.T) {
	release := make(chan struct{})
	server := startSockets(t, func(socket *websocket.Conn, _ int) {
		<-release
		send(socket, object{"seq": 1})
		hold(socket)
	})
	subscription := server.client().SubscribeToMonitoring(patience(t), "a", nil)
	defer subscription.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := subscription.Next(ended)
	is(t, err, context.Canceled)
	close(release)
	equal(t, must(subscription.Next(patience(t)))(t).Seq, 1)
}

func TestAConnectionThatIsSilentForLongIsTakenForDeadAndOneThatPingsIsNot(t *testing.T) {
	server := startSockets(t, func(socket *websocket.Conn, number int) {
		if number == 1 {
			hold(socket)
			return
		}
		reading := socket.CloseRead(context.Background())
		// As long as the client reads it answers pings; several silences go by.
		for range 20 {
			if socket.Ping(reading) != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		send(socket, object{"seq": int64(number), "status": "deploying"})
		<-reading.Done()
	})
	client := server.client()
	client.silence = 100 * time.Millisecond
	options := soon
	subscription := client.SubscribeToDeployment(patience(t), "dep-a", &options)
	defer subscription.Close()
	if frame := must(subscription.Next(patience(t)))(t); frame.Seq < 2 {
		t.Errorf("%+v", frame)
	}
}

func TestAHandshakeThatTheServerRefusesIsFinalAndOneThatFailsIsTriedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 426} {
		server := startMisbehaving(t, always(status, CodeTenantNotFound))
		options := soon
		_, err := server.client().SubscribeToDeployment(patience(t), "dep-a", &options).Next(patience(t))
		equal(t, as[*APIError](t, err).Status, status)
		equal(t, len(server.all()), 1)
	}
	server := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, number int) {
		switch number {
		case 1:
			refuse(writer, 503, CodeDatabaseError)
		case 2:
			refuse(writer, 429, CodeRateLimited)
		case 3:
			// Else the broken connection of the next one would be a reused one, and net/http would try again itself.
			writer.Header().Set("Connection", "close")
			http.Error(writer, "a proxy that knows nothing yet", 404)
		case 4:
			panic(http.ErrAbortHandler)
		default:
			if socket, err := websocket.Accept(writer, request.Request, nil); err == nil {
				send(socket, object{"seq": 1, "status": "running"})
				_ = socket.Close(websocket.StatusNormalClosure, "")
			}
		}
	})
	var told noted
	options := told.options()
	subscription := server.client().SubscribeToDeployment(patience(t), "dep-a", &options)
	equal(t, must(subscription.Next(patience(t)))(t).Status, "running")
	told.read(func() {
		var codes []string
		for _, err := range told.errors {
			codes = append(codes, ErrorCode(err))
		}
		equal(t, codes, []string{CodeDatabaseError, CodeRateLimited, CodeInvalidRequest, CodeConnectionError})
	})
}

func TestAStreamThatCanNotBeginSaysSo(t *testing.T) {
	_, err := NewClient(nil).SubscribeToAlerts(patience(t), "a", nil).Next(patience(t))
	if err == nil || ErrorCode(err) != "" {
		t.Error(err)
	}
	_, err = NewClient(&Config{BaseURL: "http://localhost:1"}).SubscribeToAlerts(patience(t), "", nil).Next(patience(t))
	is(t, err, errNoStream)
}
