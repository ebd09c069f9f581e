/** What the suite's own pods have in common: they too live under the restricted pod-security level. */

export const restrictedPod = {
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: 1,
  securityContext: { runAsNonRoot: true, runAsUser: 1_000, fsGroup: 1_000, seccompProfile: { type: 'RuntimeDefault' } },
  volumes: [{ name: 'tmp', emptyDir: {} }],
};

export const restrictedContainer = {
  imagePullPolicy: 'IfNotPresent',
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
  resources: { requests: { cpu: '10m', memory: '64Mi' } },
  volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
};

/** On the control plane too: faults of workers must not end what watches them. */
export const runAnywhere = {
  tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' }],
};

/** On the control plane if there is such a node. */
export const preferControlPlane = {
  ...runAnywhere,
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          preference: { matchExpressions: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }] },
        },
      ],
    },
  },
};
