#include <algorithm>

#include <fmt/format.h>

#include "cas/quota_store.h"
#include "pull/quota.h"
#include "tools/commands.h"
#include "tools/json_lines.h"
#include "tools/quantity.h"
#include "tools/table.h"

namespace castool::tools {
namespace {

using base::Status;

Status set(const QuotaArguments& arguments, CommandContext& context) {
  CASTOOL_ASSIGN(const auto store, open_store(context, cas::Access::kWrite));
  return cas::write_quota(*store, *arguments.ns, arguments.bytes);
}

Status show(const QuotaArguments& arguments, CommandContext& context) {
  CASTOOL_ASSIGN(const auto store, open_store_if_any(context));
  if (store == nullptr) return base::ok();
  CASTOOL_ASSIGN(const auto quotas, cas::read_quotas(*store));
  CASTOOL_ASSIGN(auto namespaces, cas::RefStore::namespaces(*store));
  for (const auto& [ns, bytes] : quotas) namespaces.push_back(ns);
  if (arguments.ns) namespaces = {*arguments.ns};
  std::ranges::sort(namespaces);
  namespaces.erase(std::unique(namespaces.begin(), namespaces.end()), namespaces.end());
  Table table({{"NAMESPACE"}, {"USED", Align::kRight}, {"QUOTA", Align::kRight}});
  for (const std::string& ns : namespaces) {
    CASTOOL_ASSIGN(const auto quota, cas::read_quota(*store, ns));
    CASTOOL_ASSIGN(const auto charges, pull::charges_of(*store, ns, {}));
    const std::uint64_t used = pull::total(charges);
    if (context.settings.json) context.out.line(quota_object(ns, used, quota));
    table.add({ns, human_size(used), quota ? human_size(*quota) : "none"});
  }
  if (context.settings.json) return base::ok();
  for (const std::string& line : table.lines()) context.out.line(line);
  return base::ok();
}

}  // namespace

int run_quota(const QuotaArguments& arguments, CommandContext& context) {
  const bool change = arguments.bytes || arguments.remove;
  return finish(context, "quota", change ? set(arguments, context) : show(arguments, context));
}

}  // namespace castool::tools
