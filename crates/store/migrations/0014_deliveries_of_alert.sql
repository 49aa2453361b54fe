-- Whether an earlier change of an alert is on its way to a receiver, and which one is next, however many wait.
CREATE INDEX deliveries_of_alert ON deliveries (alert_id, receiver_id, number) WHERE state = 'pending';
