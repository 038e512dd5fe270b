// How a command reaches origins: what its settings say of certificates and of patience.
#pragma once

#include "fetch/downloader.h"
#include "pull/networks.h"
#include "tools/command_context.h"

namespace castool::tools {

// Keeps the context's clock and log; nothing of the network is begun before it is called.
[[nodiscard]] pull::Networks::MakeTransport transport_maker(const CommandContext& context);

[[nodiscard]] fetch::DownloadLimits download_limits(const CommandContext& context);

}  // namespace castool::tools
