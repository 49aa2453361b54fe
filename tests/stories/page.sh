# Somebody is to be paged: by a real Alertmanager, and by a webhook whose receiver fails twice.
. "$(dirname "$0")/story.sh"
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT

step "A receiver of webhooks starts; what comes to /ecp it fails twice, and takes signed alone after that."
python3 "$here/receiver.py" "$folder" 2 &
eventually test -e "$folder/port"
hooks=http://127.0.0.1:$(cat "$folder/port")

step "An Alertmanager starts, built from its source, which pages by a webhook of its own."
alertmanager=$here/../../deploy/alertmanager/alertmanager
"$alertmanager" --version
cat > "$folder/alertmanager.yml" <<YAML
route: {receiver: pager, group_by: [tenant_id, metric, severity], group_wait: 0s, group_interval: 1s}
receivers:
  - name: pager
    webhook_configs: [{url: "$hooks/pager", send_resolved: true}]
YAML
"$alertmanager" --config.file="$folder/alertmanager.yml" --storage.path="$folder/data" \
  --cluster.listen-address= --web.listen-address=127.0.0.1:0 > "$folder/log" 2>&1 &
eventually grep -q 'address=127' "$folder/log"
manager=http://$(sed -n 's/.*address=\(127[0-9.:]*\).*/\1/p' "$folder/log" | head -n 1)
alerts() { curl -sSf "$manager/api/v2/alerts?filter=tenant_id=\"hanbit-card\""; }

step "Both are to be told of hanbit-card. The secret of the webhook is shown once."
pager=$(ecp receivers create "$manager" --kind alertmanager --tenant hanbit-card -o jsonpath='{.receiver_id}')
expect whsec_ ecp receivers create "$hooks/ecp" --tenant hanbit-card -o json --comment "card team" | tee "$folder/made"
sed -n 's/.*"secret": "\(whsec_[^"]*\)".*/\1/p' "$folder/made" > "$folder/secret"
hook=$(sed -n 's/.*"receiver_id": "\([^"]*\)".*/\1/p' "$folder/made")
expect alertmanager ecp receivers list
expect "took the test" ecp receivers test "$pager"

step "The tenant's CPU is at 97 %: that is critical."
ecp metrics send hanbit-card cpu=97

step "Alertmanager has the alert with its labels, and pages."
eventually sh -c "grep -q '\"path\": \"/pager\".*\"severity\": \"critical\"' '$folder/received'"
expect '"alertname":"TenantCpu"' alerts
expect '"severity":"critical"' alerts

step "The webhook's receiver fails. What was to be told waits, and says why."
eventually sh -c "ecp receivers deliveries '$hook' | grep -q 503"
expect pending ecp receivers deliveries "$hook"

step "It is told at the third try, after 35 seconds, under the same id and rightly signed."
eventually sh -c "ecp receivers deliveries '$hook' --status delivered -o name | grep -q ."
[ "$(ecp receivers deliveries "$hook" --status delivered -o jsonpath='{.deliveries[0].attempts}')" = 3 ]
[ "$(grep '"path": "/ecp"' "$folder/received" | grep -o '"id": "[^"]*"' | sort -u | wc -l)" = 1 ]

step "The CPU falls to 88 %: a warning. Alertmanager knows of that, and no more of the critical one."
ecp metrics send hanbit-card cpu=88
warned() { alerts | grep -q '"severity":"warning"' && ! alerts | grep -q '"severity":"critical"'; }
eventually warned

step "It falls to 20 %: nobody has anything open."
ecp metrics send hanbit-card cpu=20
calm() { [ "$(alerts)" = "[]" ]; }
eventually calm
eventually grep -q 'alert.resolved' "$folder/received"
