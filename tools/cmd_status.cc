#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/commands.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;

// Long enough for a rate, short enough for somebody who waits for the answer.
constexpr auto kBetweenLooks = std::chrono::milliseconds(500);

void wait_for(base::Clock::Duration time) {
  base::Mutex mutex;
  base::CondVar never;
  const auto deadline = std::chrono::steady_clock::now() + time;
  base::MutexLock lock(mutex);
  while (never.wait_until(mutex, deadline)) {
  }
}

Result<std::vector<TransferReport>> read_transfers(CommandContext& context) {
  CASTOOL_ASSIGN(const auto store, open_store_if_any(context));
  if (store == nullptr) return std::vector<TransferReport>();
  CASTOOL_ASSIGN(const auto first, cas::list_partials(*store));
  const auto held = [](const cas::PartialInfo& info) { return !info.pids.empty(); };
  if (std::none_of(first.begin(), first.end(), held)) return std::vector<TransferReport>();
  const auto began = context.clock.now();
  wait_for(context.clock.scaled(kBetweenLooks));
  CASTOOL_ASSIGN(const auto second, cas::list_partials(*store));
  return transfer_reports(first, second, context.clock.now() - began);
}

Status print_transfers(CommandContext& context) {
  CASTOOL_ASSIGN(const auto transfers, read_transfers(context));
  if (context.settings.json) {
    for (const TransferReport& transfer : transfers) context.out.line(transfer_object(transfer));
    return base::ok();
  }
  Table table({{"BLOB"},
               {"DONE", Align::kRight},
               {"TOTAL", Align::kRight},
               {"RATE", Align::kRight},
               {"ETA", Align::kRight},
               {"HOLDERS"}});
  for (const TransferReport& transfer : transfers) {
    table.add({transfer.digest.text(), human_size(transfer.done), human_size(transfer.total),
               human_rate(transfer.bytes_per_second),
               transfer.eta_seconds ? human_duration(*transfer.eta_seconds) : "-",
               fmt::format("{}", fmt::join(transfer.pids, ","))});
  }
  for (const std::string& line : table.lines()) context.out.line(line);
  return base::ok();
}

}  // namespace

int run_status(const StatusArguments&, CommandContext& context) {
  return finish(context, "status", print_transfers(context));
}

}  // namespace castool::tools
