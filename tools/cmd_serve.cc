#include <optional>
#include <stop_token>
#include <utility>

#include "base/mutex.h"
#include "pull/size_keeper.h"
#include "tools/api_service.h"
#include "tools/commands.h"
#include "tools/credentials.h"
#include "tools/service_notice.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

using base::Status;

// Until a signal asks for the end.
void wait_for_stop(const std::stop_token& stop) {
  constexpr auto kLongest = std::chrono::hours(1);
  base::Mutex mutex;
  base::CondVar stopped;
  const std::stop_callback wake(stop, [&] {
    const base::MutexLock lock(mutex);
    stopped.notify_all();
  });
  const base::MutexLock lock(mutex);
  while (!stop.stop_requested()) {
    stopped.wait_until(mutex, std::chrono::steady_clock::now() + kLongest);
  }
}

Status serve(const ServeArguments& arguments, CommandContext& context) {
  raise_file_limit();
  SignalWatch signals(HangUp::kStop);
  CASTOOL_ASSIGN(const auto store, open_store(context, cas::Access::kWrite));
  CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(*store, context.settings.ns));
  CASTOOL_ASSIGN(pull::Origins origins, read_origins(context.variables));
  CASTOOL_ASSIGN(origins.hub_token,
                 load_hub_token(context.arguments, context.variables, context.log));
  pull::GcCounts gc;
  CASTOOL_ASSIGN(
      const auto service,
      ApiService::start(arguments.listen, arguments.registry ? ForOthers::kYes : ForOthers::kNo,
                        context, *store, refs, origins, {&gc, nullptr}));
  std::optional<pull::SizeKeeper> keeper;
  if (arguments.max_size) keeper.emplace(*store, *arguments.max_size, gc, context.log);
  if (!context.settings.quiet) {
    context.out.line("serving on " + service->where());
    CASTOOL_RETURN_IF_ERROR(context.out.flush());
  }
  notice_ready("serves on " + service->where());
  wait_for_stop(signals.token());
  notice_stopping();
  return base::ok();
}

}  // namespace

int run_serve(const ServeArguments& arguments, CommandContext& context) {
  return finish(context, "serve", serve(arguments, context));
}

}  // namespace castool::tools
