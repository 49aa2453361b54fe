# Something is different this morning. What was changed last night, and by whom?
. "$(dirname "$0")/story.sh"

step "(The night: one tenant grows, one comes, one goes.)"
ecp tenants update hanbit-card -s callbot=45 --wait >/dev/null
ecp tenants create night-shift --name "Night shift" -s chatbot=5 --wait >/dev/null
ecp tenants delete night-shift --wait >/dev/null

step "Everything that was changed in the last twelve hours, by whom, and how it ended."
expect tenant.update ecp audit --since 12h
expect tenant.delete ecp audit --since 12h --tenant night-shift

step "For a spreadsheet."
ecp audit --since 12h -o csv | head -n 1 | grep -q '^TIME,ACTOR,ACTION,TENANT'

step "What exactly changed of hanbit-card: the value before, and after."
expect "/service_requirements/callbot 30 -> 45" ecp describe hanbit-card
expect "/service_requirements/callbot" ecp tenants history hanbit-card

step "Nothing happened in the future."
expect "0 of 0 entries" ecp audit --since 2100-01-01
