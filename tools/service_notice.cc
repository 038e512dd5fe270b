#include "tools/service_notice.h"

#ifdef CASTOOL_WITH_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace castool::tools {
namespace {

// A manager that cannot be reached is no reason not to serve.
void notice([[maybe_unused]] const std::string& state) {
#ifdef CASTOOL_WITH_SYSTEMD
  static_cast<void>(::sd_notify(0, state.c_str()));
#endif
}

}  // namespace

void notice_ready(const std::string& status) { notice("READY=1\nSTATUS=" + status); }

void notice_stopping() { notice("STOPPING=1"); }

}  // namespace castool::tools
