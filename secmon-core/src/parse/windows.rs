//! Windows events: what kind of log a channel and an event id are, in Sigma's words. One id can be several
//! categories.

use crate::event::{Event, Sources};
use std::borrow::Cow;

/// Channels, and the services that Sigma rules call them.
const CHANNELS: &[(&str, &str)] = &[
    ("Application", "application"),
    ("Directory Service", "ldap"),
    ("DNS Server", "dns-server"),
    ("Microsoft-IIS-Configuration/Operational", "iis-configuration"),
    ("Microsoft-ServiceBus-Client", "microsoft-servicebus-client"),
    ("Microsoft-ServiceBus-Client/Admin", "microsoft-servicebus-client"),
    ("Microsoft-ServiceBus-Client/Operational", "microsoft-servicebus-client"),
    (
        "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
        "application-experience",
    ),
    ("Microsoft-Windows-Application-Experience/Program-Telemetry", "application-experience"),
    ("Microsoft-Windows-AppLocker/EXE and DLL", "applocker"),
    ("Microsoft-Windows-AppLocker/MSI and Script", "applocker"),
    ("Microsoft-Windows-AppLocker/Packaged app-Deployment", "applocker"),
    ("Microsoft-Windows-AppLocker/Packaged app-Execution", "applocker"),
    ("Microsoft-Windows-AppModel-Runtime/Admin", "appmodel-runtime"),
    ("Microsoft-Windows-AppXDeploymentServer/Operational", "appxdeployment-server"),
    ("Microsoft-Windows-AppxPackaging/Operational", "appxpackaging-om"),
    ("Microsoft-Windows-BitLocker/BitLocker Management", "bitlocker"),
    ("Microsoft-Windows-Bits-Client/Operational", "bits-client"),
    ("Microsoft-Windows-CAPI2/Operational", "capi2"),
    (
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
        "certificateservicesclient-lifecycle-system",
    ),
    ("Microsoft-Windows-CodeIntegrity/Operational", "codeintegrity-operational"),
    ("Microsoft-Windows-DHCP-Server/Operational", "dhcp"),
    ("Microsoft-Windows-Diagnosis-Scripted/Operational", "diagnosis-scripted"),
    ("Microsoft-Windows-DNS Client Events/Operational", "dns-client"),
    ("Microsoft-Windows-DNS-Server/Analytical", "dns-server-analytic"),
    ("Microsoft-Windows-DNS-Server/Audit", "dns-server-audit"),
    ("Microsoft-Windows-DriverFrameworks-UserMode/Operational", "driver-framework"),
    ("Microsoft-Windows-Hyper-V-Worker", "hyper-v-worker"),
    ("Microsoft-Windows-Hyper-V-Worker-Admin", "hyper-v-worker"),
    ("Microsoft-Windows-Kernel-EventTracing", "kernel-event-tracing"),
    ("Microsoft-Windows-Kernel-EventTracing/Admin", "kernel-event-tracing"),
    ("Microsoft-Windows-Kernel-ShimEngine/Diagnostic", "kernel-shimengine"),
    ("Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-shimengine"),
    ("Microsoft-Windows-LDAP-Client/Debug", "ldap"),
    ("Microsoft-Windows-LSA/Operational", "lsa-server"),
    ("Microsoft-Windows-NTFS/Operational", "ntfs"),
    ("Microsoft-Windows-NTLM/Operational", "ntlm"),
    ("Microsoft-Windows-PowerShell/Operational", "powershell"),
    ("Microsoft-Windows-PrintService/Admin", "printservice-admin"),
    ("Microsoft-Windows-PrintService/Operational", "printservice-operational"),
    ("Microsoft-Windows-Security-Mitigations/Kernel Mode", "security-mitigations"),
    ("Microsoft-Windows-Security-Mitigations/User Mode", "security-mitigations"),
    ("Microsoft-Windows-SENSE/Operational", "sense"),
    ("Microsoft-Windows-Shell-Core/Operational", "shell-core"),
    ("Microsoft-Windows-SmbClient/Connectivity", "smbclient-connectivity"),
    ("Microsoft-Windows-SmbClient/Security", "smbclient-security"),
    ("Microsoft-Windows-SMBServer/Connectivity", "smbserver-connectivity"),
    ("Microsoft-Windows-Sysmon/Operational", "sysmon"),
    ("Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"),
    (
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
        "terminalservices-localsessionmanager",
    ),
    ("Microsoft-Windows-VHDMP/Operational", "vhdmp"),
    ("Microsoft-Windows-Windows Defender/Operational", "windefend"),
    ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as"),
    ("Microsoft-Windows-WMI-Activity/Operational", "wmi"),
    ("MSExchange Management", "msexchange-management"),
    ("OpenSSH/Operational", "openssh"),
    ("PowerShellCore/Operational", "powershell"),
    ("Security", "security"),
    ("System", "system"),
    ("Windows PowerShell", "powershell-classic"),
];

/// Adds what channel, event id and event type of a Windows event say.
pub(super) fn add_sources(event: &mut Event) {
    let text = |name: &str| event.find(name).and_then(|value| value.as_str());
    let Some(channel) = text("Channel").or_else(|| text("winlog.channel")) else { return };
    let id = ["EventID", "winlog.event_id", "event.code"];
    let id = id.iter().find_map(|name| event.find(name)?.as_int());
    let Some((service, categories)) = sources(channel, id, text("EventType")) else { return };
    let own = |names: &[&'static str]| {
        Cow::Owned(names.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>())
    };
    let sources =
        Sources { product: own(&["windows"]), category: own(categories), service: own(&[service]) };
    event.sources.extend(&sources);
}

/// The service and the categories that a channel, an event id and an event type mean.
pub(super) fn sources(
    channel: &str,
    id: Option<i64>,
    kind: Option<&str>,
) -> Option<(&'static str, &'static [&'static str])> {
    // Their lengths tell nearly all of them apart: no search is faster.
    let (_, service) = CHANNELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(channel))?;
    Some((service, id.map_or(&[], |id| categories(service, id, kind))))
}

/// The categories of an event id.
fn categories(service: &'static str, id: i64, kind: Option<&str>) -> &'static [&'static str] {
    match (service, id) {
        ("sysmon", 1) | ("security", 4688) => &["process_creation"],
        ("sysmon", 2) => &["file_change"],
        ("sysmon", 3) => &["network_connection"],
        ("sysmon", 4 | 16) => &["sysmon_status"],
        ("sysmon", 5) => &["process_termination"],
        ("sysmon", 6) => &["driver_load"],
        ("sysmon", 7) => &["image_load"],
        ("sysmon", 8) => &["create_remote_thread"],
        ("sysmon", 9) => &["raw_access_thread"],
        ("sysmon", 10) => &["process_access"],
        ("sysmon", 11) => &["file_event"],
        ("sysmon", 12) => match kind {
            Some("CreateKey") => &["registry_event", "registry_add"],
            Some("DeleteKey" | "DeleteValue") => &["registry_event", "registry_delete"],
            _ => &["registry_event"],
        },
        ("sysmon", 13) => &["registry_event", "registry_set"],
        ("sysmon", 14) => &["registry_event", "registry_rename"],
        ("sysmon", 15) => &["create_stream_hash"],
        ("sysmon", 17 | 18) => &["pipe_created"],
        ("sysmon", 19..=21) => &["wmi_event"],
        ("sysmon", 22) => &["dns_query"],
        ("sysmon", 23) => &["file_delete"],
        // The one is what SigmaHQ's rules say, the other the taxonomy.
        ("sysmon", 24) => &["clipboard_change", "clipboard_capture"],
        ("sysmon", 25) => &["process_tampering"],
        ("sysmon", 26) => &["file_delete_detected"],
        ("sysmon", 27) => &["file_block_executable"],
        ("sysmon", 28) => &["file_block_shredding"],
        ("sysmon", 29) => &["file_executable_detected"],
        ("sysmon", 255) => &["sysmon_error"],
        ("powershell", 4103) => &["ps_module"],
        ("powershell", 4104) => &["ps_script"],
        ("powershell-classic", 400) => &["ps_classic_start"],
        ("powershell-classic", 600) => &["ps_classic_provider_start"],
        ("powershell-classic", 800) => &["ps_classic_script"],
        ("windefend", 1006..=1012 | 1017..=1019 | 1115 | 1116) => &["antivirus"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_stands_once() {
        for (at, (name, _)) in CHANNELS.iter().enumerate() {
            let same = CHANNELS.iter().rposition(|(other, _)| other.eq_ignore_ascii_case(name));
            assert_eq!(same, Some(at), "{name}");
        }
    }
}
