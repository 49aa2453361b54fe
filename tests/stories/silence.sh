# A load test is announced for hanbit-card: nobody is to be woken by its CPU for an hour.
. "$(dirname "$0")/story.sh"
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT

step "Somebody is told of alerts, by a webhook."
python3 "$here/receiver.py" "$folder" 0 &
eventually test -e "$folder/port"
hook=http://127.0.0.1:$(cat "$folder/port")/ecp
made=$(ecp receivers create "$hook" --tenant hanbit-card -o jsonpath='{.receiver_id} {.secret}')
receiver=${made% *}
echo "${made#* }" > "$folder/secret"
heard() { grep -qE "\"metric\": \"$1\"" "$folder/received"; }

step "What would a silence hit? Nothing is open yet, and nothing is silenced by asking."
expect "Nothing was changed" ecp silence create --tenant hanbit-card --metric cpu --dry-run

step "The CPU of hanbit-card is silent from now on, for an hour, as is usual."
expect hanbit-card ecp silence create --tenant hanbit-card --metric cpu --comment "load test"
silence=$(ecp silence list --status active -o name)

step "The load test begins: CPU and memory are full. The memory is told, the CPU is listed and not told."
ecp metrics send hanbit-card cpu=97 memory=97
eventually heard memory
expect cpu ecp alerts hanbit-card --status open
expect true ecp alerts hanbit-card --status open -o jsonpath='{.alerts[?(@.metric=="cpu")].silenced}'
[ "$(ecp receivers deliveries "$receiver" -o jsonpath='{.deliveries[*].metric}')" = memory ]

step "The test is over before its hour is; the CPU is still full, and so it is told now."
expect hanbit-card ecp silence delete "$silence"
eventually heard cpu
