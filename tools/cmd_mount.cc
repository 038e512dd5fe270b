#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "fusefs/mount.h"
#include "fusefs/open_counts.h"
#include "pull/size_keeper.h"
#include "pull/waiting.h"
#include "tools/api_service.h"
#include "tools/commands.h"
#include "tools/credentials.h"
#include "tools/daemonize.h"
#include "tools/exit_status.h"
#include "tools/mount_filler.h"
#include "tools/mount_finder.h"
#include "tools/network_options.h"
#include "tools/served_pulls.h"
#include "tools/service_notice.h"
#include "tools/signals.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::chrono::seconds kPredecessorEnds{20};
constexpr std::chrono::milliseconds kTryAgain{200};

// A store on a read-only file system can be mounted all the same; nothing is written to it.
Result<std::unique_ptr<cas::Store>> open_for_mount(CommandContext& context) {
  auto store = open_store(context, cas::Access::kWrite);
  if (store || store.error().code != Code::kStoreRefused) return store;
  auto readable = open_store(context, cas::Access::kRead);
  // Of two refusals the first one tells more.
  return readable ? std::move(readable) : std::move(store);
}

// Of the sockets by which live mounts are replaced: both daemons find it without being told.
std::string control_directory(const Variables& variables) {
  if (::geteuid() == 0) return "/run/castool";
  const std::string runtime = variable(variables, "XDG_RUNTIME_DIR");
  if (!runtime.empty()) return runtime + "/castool";
  return fmt::format("/tmp/castool-{}", ::geteuid());
}

fusefs::MountOptions mount_options(const MountArguments& arguments, const CommandContext& context) {
  fusefs::MountOptions options;
  options.directory = arguments.directory;
  options.layout = arguments.layout;
  options.uid = arguments.uid.value_or(::getuid());
  options.gid = arguments.gid.value_or(::getgid());
  options.allow_other = arguments.allow_other || ::geteuid() == 0;
  options.source_name = context.settings.store;
  options.trust = arguments.trust_store ? fusefs::Trust::kStore : fusefs::Trust::kCheck;
  options.on_demand = arguments.on_demand;
  options.listed = arguments.listed;
  options.replace = arguments.replace;
  options.control_directory = control_directory(context.variables);
  options.upper = arguments.upper;
  return options;
}

Status serve(const MountArguments& arguments, CommandContext& context, DaemonChild* daemon) {
  raise_file_limit();
  // A daemon has no terminal that could hang up.
  SignalWatch signals(daemon == nullptr ? HangUp::kStop : HangUp::kIgnore);
  CASTOOL_ASSIGN(const auto store, open_for_mount(context));
  CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(*store, context.settings.ns));
  CASTOOL_ASSIGN(pull::Origins origins, read_origins(context.variables));
  CASTOOL_ASSIGN(origins.hub_token,
                 load_hub_token(context.arguments, context.variables, context.log));
  pull::LazyBlobs blobs(*store, refs, origins, transport_maker(context), download_limits(context),
                        {arguments.fill, arguments.verify}, context.clock, context.log);
  MountFiller filler(blobs);
  ServedPulls pulls(context, *store, refs, origins, arguments.on_demand.hosts());
  MountFinder finder(pulls, context.clock, context.log);
  fusefs::MountOptions options = mount_options(arguments, context);
  options.finder = &finder;
  pull::ReadRights rights(*store, refs.ns());
  options.may_read = reads_by(rights);
  CASTOOL_ASSIGN(const auto mount,
                 fusefs::Mount::start(options, *store, refs, &filler, context.clock, context.log));
  pull::GcCounts gc;
  const Beside beside = {&gc, &fusefs::open_counts(*mount)};
  std::unique_ptr<ApiService> service;
  if (arguments.listen.wanted()) {
    auto started =
        ApiService::start(arguments.listen, ForOthers::kNo, context, *store, refs, origins, beside);
    const auto give_up = context.clock.now() + context.clock.scaled(kPredecessorEnds);
    // The daemon that is replaced lets go of its addresses as it ends.
    while (!started && arguments.replace && context.clock.now() < give_up &&
           pull::wait_unless_stopped(context.clock, kTryAgain, signals.token())) {
      started = ApiService::start(arguments.listen, ForOthers::kNo, context, *store, refs, origins,
                                  beside);
    }
    // A mount that was taken over does not end for this.
    if (!started && !arguments.replace) return base::failure(std::move(started));
    if (!started) context.log.error("the API is not served: {}", started.error().text());
    if (started) service = *std::move(started);
    if (service) context.log.info("serving on {}", service->where());
  }
  std::optional<FillAll> all;
  if (arguments.fill == pull::Fill::kAll) all.emplace(*store, refs, blobs, context.log);
  std::optional<pull::SizeKeeper> keeper;
  if (arguments.max_size) keeper.emplace(*store, *arguments.max_size, gc, context.log);
  if (daemon != nullptr) {
    context.log.switch_to_syslog();
    CASTOOL_RETURN_IF_ERROR(daemon->ready());
  }
  if (daemon == nullptr) notice_ready("shows models at " + arguments.directory);
  const std::stop_callback stopping(signals.token(), notice_stopping);
  return mount->run(signals.token());
}

int serve_as_daemon(const MountArguments& arguments, CommandContext& context,
                    const std::string& where) {
  auto side = daemonize();
  if (!side) return report_error(context, where, side.error());
  if (const auto* parent = std::get_if<DaemonParent>(&*side)) return parent->exit_status;
  DaemonChild& daemon = std::get<DaemonChild>(*side);
  const Status status = serve(arguments, context, &daemon);
  if (status) return kExitSuccess;
  if (!daemon.told()) return report_error(context, where, status.error());
  context.log.error("{}: {}", where, status.error().text());
  return exit_status(status.error().code);
}

// A directory whose mount lost its daemon cannot even be looked at. What is left of a mount of ours
// is taken away: files that are open in it stay so where the kernel reads them by itself.
Status clear_dead_mount(const std::string& directory, base::Log& log) {
  if (!fusefs::is_without_daemon(directory)) return base::ok();
  const Status cleared = fusefs::unmount(directory, fusefs::Detach::kLazy);
  if (!cleared) {
    return make_error(Code::kBusy, "a mount without a daemon is still there",
                      fmt::format("umount -l {}", directory));
  }
  log.info("{}: took away a mount whose daemon is dead", directory);
  return base::ok();
}

Status check_directory(const std::string& directory) {
  std::error_code failure;
  const auto status = std::filesystem::status(directory, failure);
  if (status.type() == std::filesystem::file_type::not_found) {
    return make_error(Code::kUsage, "no such directory", fmt::format("mkdir {}", directory));
  }
  if (failure) return base::errno_error(failure.value(), "look at it");
  if (status.type() != std::filesystem::file_type::directory) {
    return make_error(Code::kUsage, "it is not a directory");
  }
  return base::ok();
}

}  // namespace

int run_mount(const MountArguments& arguments, CommandContext& context) {
  const std::string where = "mount " + arguments.directory;
  Status checked = clear_dead_mount(arguments.directory, context.log);
  if (checked) checked = check_directory(arguments.directory);
  if (!checked) {
    return report_error(context, where, checked.error());
  }
  // The daemon's directory is /.
  MountArguments absolute = arguments;
  absolute.directory = absolute_path(arguments.directory);
  for (auto* path : {&absolute.listen.socket_path, &absolute.listen.auth_token_file}) {
    if (*path) *path = absolute_path(**path);
  }
  if (!absolute.upper.empty()) absolute.upper = absolute_path(arguments.upper);
  Settings settings = context.settings;
  settings.store = absolute_path(settings.store);
  CommandContext placed = {context.arguments, settings,      context.variables, context.out,
                           context.log,       context.clock, context.files};
  if (arguments.foreground) return finish(placed, where, serve(absolute, placed, nullptr));
  return serve_as_daemon(absolute, placed, where);
}

}  // namespace castool::tools
