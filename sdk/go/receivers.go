// Receivers of alerts; for admins.

package orchestrator

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// PageFilter says which entries of a list to take; nil and fields left out mean the first ones.
type PageFilter struct {
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1-1,000; 100 where it is 0.
	Limit int
}

// DeliveryFilter says which deliveries to list; nil and fields left out mean all.
type DeliveryFilter struct {
	// pending, delivered or given_up.
	Status string
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1-1,000; 100 where it is 0.
	Limit int
}

// ListReceivers lists who is told of alerts, oldest first.
func (c *Client) ListReceivers(filter *PageFilter) (*ReceiverList, error) {
	return c.ListReceiversContext(context.Background(), filter)
}

// ListReceiversContext is ListReceivers with a context and options.
func (c *Client) ListReceiversContext(ctx context.Context, filter *PageFilter, options ...CallOption) (*ReceiverList, error) {
	filter = orZero(filter)
	query := new(query).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[ReceiverList](ctx, c, get("/receivers", query).with(options))
}

// CreateReceiver has a receiver told of alerts from now on; a webhook's Secret is set where it was made here.
func (c *Client) CreateReceiver(receiver *ReceiverRequest) (*Receiver, error) {
	return c.CreateReceiverContext(context.Background(), receiver)
}

// CreateReceiverContext is CreateReceiver with a context and options.
func (c *Client) CreateReceiverContext(ctx context.Context, receiver *ReceiverRequest, options ...CallOption) (*Receiver, error) {
	if receiver == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/receivers", body: receiver}
	return sendJSON[Receiver](ctx, c, call.with(options))
}

// GetReceiver reads one receiver.
func (c *Client) GetReceiver(receiverID string) (*Receiver, error) {
	return c.GetReceiverContext(context.Background(), receiverID)
}

// GetReceiverContext is GetReceiver with a context and options.
func (c *Client) GetReceiverContext(ctx context.Context, receiverID string, options ...CallOption) (*Receiver, error) {
	path, err := receiverPath(receiverID, "")
	if err != nil {
		return nil, err
	}
	return sendJSON[Receiver](ctx, c, get(path, nil).with(options))
}

// UpdateReceiver changes a receiver as a whole; a secret that is left out is kept.
func (c *Client) UpdateReceiver(receiverID string, receiver *ReceiverRequest) (*Receiver, error) {
	return c.UpdateReceiverContext(context.Background(), receiverID, receiver)
}

// UpdateReceiverContext is UpdateReceiver with a context and options.
func (c *Client) UpdateReceiverContext(ctx context.Context, receiverID string, receiver *ReceiverRequest, options ...CallOption) (*Receiver, error) {
	path, err := receiverPath(receiverID, "")
	if err != nil {
		return nil, err
	}
	if receiver == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPut, path: path, body: receiver}
	return sendJSON[Receiver](ctx, c, call.with(options))
}

// DeleteReceiver removes a receiver with what waits for it, and answers it as it was.
func (c *Client) DeleteReceiver(receiverID string) (*Receiver, error) {
	return c.DeleteReceiverContext(context.Background(), receiverID)
}

// DeleteReceiverContext is DeleteReceiver with a context and options.
func (c *Client) DeleteReceiverContext(ctx context.Context, receiverID string, options ...CallOption) (*Receiver, error) {
	path, err := receiverPath(receiverID, "")
	if err != nil {
		return nil, err
	}
	call := &call{method: http.MethodDelete, path: path}
	return sendJSON[Receiver](ctx, c, call.with(options))
}

// ListDeliveries lists what a receiver was told, what waits and what was given up, newest first.
func (c *Client) ListDeliveries(receiverID string, filter *DeliveryFilter) (*DeliveryList, error) {
	return c.ListDeliveriesContext(context.Background(), receiverID, filter)
}

// ListDeliveriesContext is ListDeliveries with a context and options.
func (c *Client) ListDeliveriesContext(ctx context.Context, receiverID string, filter *DeliveryFilter, options ...CallOption) (*DeliveryList, error) {
	path, err := receiverPath(receiverID, "/deliveries")
	if err != nil {
		return nil, err
	}
	filter = orZero(filter)
	query := new(query).text("status", filter.Status).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[DeliveryList](ctx, c, get(path, query).with(options))
}

// TestReceiver sends a receiver a test and says what came of it.
func (c *Client) TestReceiver(receiverID string) (*Delivery, error) {
	return c.TestReceiverContext(context.Background(), receiverID)
}

// TestReceiverContext is TestReceiver with a context and options.
func (c *Client) TestReceiverContext(ctx context.Context, receiverID string, options ...CallOption) (*Delivery, error) {
	path, err := receiverPath(receiverID, "/test")
	if err != nil {
		return nil, err
	}
	call := &call{method: http.MethodPost, path: path}
	return sendJSON[Delivery](ctx, c, call.with(options))
}

func receiverPath(receiverID, rest string) (string, error) {
	if receiverID == "" {
		return "", errors.New("orchestrator: the receiver id must not be empty")
	}
	return "/receivers/" + url.PathEscape(receiverID) + rest, nil
}
