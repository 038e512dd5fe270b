#include "tools/network_options.h"

#include <string>

#include "fetch/curl_transport.h"
#include "tools/version.h"

namespace castool::tools {

pull::Networks::MakeTransport transport_maker(const CommandContext& context) {
  return [&clock = context.clock, &log = context.log, ca_file = context.settings.ca_file,
          ca_directory = context.settings.ca_directory] {
    return fetch::make_curl_transport({std::string(user_agent()), ca_file, ca_directory}, clock,
                                      log);
  };
}

fetch::DownloadLimits download_limits(const CommandContext& context) {
  fetch::DownloadLimits limits;
  limits.timeout = context.settings.timeout;
  return limits;
}

}  // namespace castool::tools
