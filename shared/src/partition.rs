//! AWS partitions: the endpoints of a region's services, and who issues their certificates.

/// Partitions by prefix of the region's name: prefix, DNS suffix, DNS suffix of dual-stack endpoints. From the rules in
/// the SDK. A region with another prefix is in the standard partition.
const PARTITIONS: [(&str, &str, &str); 6] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

fn find(region: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix))
}

/// The base URL of `service` in `region`.
pub fn endpoint(service: &str, region: &str, fips: bool, dual_stack: bool) -> String {
    let (suffix, dual) = find(region).map_or(("amazonaws.com", "api.aws"), |(_, suffix, dual)| (suffix, dual));
    // In GovCloud the default SSM endpoint conforms to FIPS and has no separate FIPS name.
    let has_fips_name = service != "ssm" || dual_stack || !region.starts_with("us-gov-");
    let fips = if fips && has_fips_name { "-fips" } else { "" };
    format!(
        "https://{service}{fips}.{region}.{}",
        if dual_stack { dual } else { suffix }
    )
}

/// Whether the endpoints in `region` have certificates of Amazon Trust Services. True for the standard partition and
/// for `GovCloud`, including FIPS and VPC endpoints. China, the European Sovereign Cloud and the isolated partitions
/// are operated by other companies or have their own roots.
pub(crate) fn trusts_amazon(region: &str) -> bool {
    find(region).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_endpoints() {
        for (service, region, fips, dual_stack, host) in [
            ("ssm", "eu-central-1", false, false, "ssm.eu-central-1.amazonaws.com"),
            ("ssm", "us-east-1", true, false, "ssm-fips.us-east-1.amazonaws.com"),
            ("ssm", "us-east-1", true, true, "ssm-fips.us-east-1.api.aws"),
            ("ssm", "us-east-1", false, true, "ssm.us-east-1.api.aws"),
            ("ssm", "cn-north-1", false, false, "ssm.cn-north-1.amazonaws.com.cn"),
            (
                "ssm",
                "cn-north-1",
                false,
                true,
                "ssm.cn-north-1.api.amazonwebservices.com.cn",
            ),
            ("ssm", "us-gov-west-1", true, false, "ssm.us-gov-west-1.amazonaws.com"),
            ("ssm", "us-gov-west-1", true, true, "ssm-fips.us-gov-west-1.api.aws"),
            ("ssm", "us-iso-east-1", false, false, "ssm.us-iso-east-1.c2s.ic.gov"),
            (
                "ssm",
                "us-isob-east-1",
                false,
                false,
                "ssm.us-isob-east-1.sc2s.sgov.gov",
            ),
            ("ssm", "eusc-de-east-1", false, false, "ssm.eusc-de-east-1.amazonaws.eu"),
            (
                "lambda",
                "eusc-de-east-1",
                false,
                false,
                "lambda.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "lambda",
                "us-gov-west-1",
                true,
                false,
                "lambda-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "lambda",
                "cn-north-1",
                false,
                false,
                "lambda.cn-north-1.amazonaws.com.cn",
            ),
        ] {
            let expected = format!("https://{host}");
            assert_eq!(
                endpoint(service, region, fips, dual_stack),
                expected,
                "{region} {fips} {dual_stack}"
            );
        }
    }

    #[test]
    fn only_regions_with_amazon_certificates_trust_amazon_alone() {
        for region in ["eu-central-1", "us-east-1", "us-gov-west-1"] {
            assert!(trusts_amazon(region), "{region}");
        }
        for region in [
            "cn-north-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
        ] {
            assert!(!trusts_amazon(region), "{region}");
        }
    }
}
