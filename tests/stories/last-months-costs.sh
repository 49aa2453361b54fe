# Accounting asks: what did each tenant pay and cost last month? To the cent, and as a file.
. "$(dirname "$0")/story.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

step "Last month, tenant by tenant, with the sum and the rate."
expect "paid \$890.00" ecp costs --month last
month=$(ecp costs --month last -o jsonpath='{.month}')
[ "$(ecp costs --month last -o jsonpath='{.is_complete}')" = true ]

step "The same as a file for a spreadsheet; the month can be named, too."
ecp costs --month last -o csv > costs.csv
ecp costs --month "$month" -o csv | diff costs.csv -

step "The total is the sum of its rows: counted here again, in cents."
awk -F, -v OFS=, '
  NR == 1 { next }
  { for (column = 7; column <= 12; column++) { amount = $column; sub(/\./, "", amount); sum[column] += $2 == "total" ? -amount : amount } }
  $2 == "total" { found = 1 }
  END { for (column = 7; column <= 12; column++) if (sum[column] != 0) { print "column " column " is off by " sum[column]; exit 1 }; exit !found }
' costs.csv

step "Of each row, the margin is what was paid less what it cost."
awk -F, 'NR > 1 { for (c = 7; c <= 12; c++) { a[c] = $c; sub(/\./, "", a[c]) }
  if (a[9] + 0 != a[7] - a[8] || a[12] + 0 != a[10] - a[11]) { print "wrong: " $0; exit 1 } }' costs.csv

step "Who came and went within this month is on its bill, too."
ecp tenants create short-stay --name "Short stay" -s chatbot=5 --wait >/dev/null
ecp tenants delete short-stay --wait >/dev/null
expect "short-stay" ecp costs
expect "deleted" ecp costs
expect_no short-stay ecp costs --month last

step "A month that nobody can mean is refused, and it is said how one is written."
expect_exit 3 "2026-11" ecp costs --month november
