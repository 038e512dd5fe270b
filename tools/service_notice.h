// Tells the service manager how far a service is (systemd, Type=notify). Says nothing where nobody
// asked ($NOTIFY_SOCKET), or where castool was built without libsystemd.
#pragma once

#include <string>

namespace castool::tools {

void notice_ready(const std::string& status);
void notice_stopping();

}  // namespace castool::tools
